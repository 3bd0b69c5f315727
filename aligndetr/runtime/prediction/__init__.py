"""From what people have, images, folders, videos, to what they want: everything around a detector.

The detector itself is one call, `detect(images) -> list of Detections`, of (H, W, 3) uint8 RGB
arrays of equal shape. Nothing here needs torch: numpy and Pillow will do, PyAV for videos.
"""
