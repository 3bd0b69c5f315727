#!/usr/bin/env python
"""Make the picture of docs/prediction.md: frames of a video, and a large image in tiles.

python docs/make_prediction_picture.py --checkpoint output/aligndetr_tiny/model_final.pth
"""

import argparse
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from aligndetr.data.demo_shapes import drawing
from aligndetr.predictor import Predictor
from aligndetr.runtime.drawing.picture_file import save_picture
from aligndetr.runtime.prediction.tiles import Tiles
from aligndetr.runtime.prediction.video import video_pictures
from aligndetr.runtime.prediction.writers.drawings import AnnotatedVideo, Drawings
from aligndetr.visualization.predictions import contact_sheet, side_by_side
from benchmarks.tiles import SIDE, make_scenes

FILE = Path(__file__).parent / "pictures" / "prediction.jpg"
SIZE, FRAMES, SHOWN = (160, 192), 60, (0, 25, 50)
NAMES = ("circle", "square", "triangle", "star", "ring", "cross")
CAPTIONS = [f"frame {number} of the video that was written" for number in SHOWN]


def moving_shapes() -> Iterator[Image.Image]:
    """Frames in which one shape of each class moves through the picture."""
    rng = np.random.default_rng(0)
    scene = drawing.background(SIZE, rng)
    shapes = [_shape(name, rng) for name in NAMES]
    centres = rng.uniform([30, 30], [SIZE[1] - 30, SIZE[0] - 30], (len(NAMES), 2))
    steps = rng.uniform(-1.6, 1.6, (len(NAMES), 2))
    for number in range(FRAMES):
        frame = scene.copy()
        for (mask, pixels), centre, step in zip(shapes, centres, steps, strict=True):
            # back and forth between 10 pixels from either border
            span = np.array([SIZE[1] - mask.shape[1] - 20, SIZE[0] - mask.shape[0] - 20])
            corner = 10 + span - np.abs((centre + number * step) % (2 * span) - span)
            drawing.blend(frame, mask, tuple(corner.astype(int)), pixels)
        yield Image.fromarray(frame)


def _shape(name: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Mask and pixels of a shape."""
    diameter = rng.uniform(28, 52)
    polygons = [points * diameter / 2 for points in drawing.outline(name, rng)]
    low = polygons[0].min(axis=0)
    width, height = np.ceil(polygons[0].max(axis=0) - low).astype(int) + 1
    mask = drawing.soft_mask([points - low for points in polygons], (height, width))
    colour = drawing.random_colour(rng, (0.6, 1.0), (0.5, 1.0))
    return mask, drawing.fill((height, width), colour, rng)


def video_frames(predictor: Predictor, folder: Path) -> list[Image.Image]:
    """Of a video that was written, predicted, and written with boxes."""
    video = AnnotatedVideo(folder / "shapes.mp4", Fraction(25), SIZE[::-1])
    for frame in moving_shapes():
        video.add(frame)
    video.close()
    drawings = Drawings(folder / "out", predictor.class_names)
    for prediction in predictor.stream(folder / "shapes.mp4"):
        drawings.add(prediction)
    drawings.close()
    written = video_pictures(folder / "out" / "shapes.mp4", "shapes", Path("shapes"))
    return [Image.fromarray(p.read()) for p in written if p.frame.index in SHOWN]


def main() -> None:
    """Predict and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True)
    args = parser.parse_args()
    predictor = Predictor("aligndetr_tiny", args.checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        row = side_by_side(video_frames(predictor, Path(folder)), CAPTIONS)
    scene = make_scenes(3)[2].pixels
    whole, tiled = (
        next(predictor.stream(scene, tiles=tiles)).plot() for tiles in (None, Tiles(SIDE))
    )
    pair = side_by_side([whole, tiled], ["a large image as a whole", "the same with --tile 192"])
    save_picture(contact_sheet([row, pair], columns=1, cell=(1100, 700)), FILE)
    print(FILE)


if __name__ == "__main__":
    main()
