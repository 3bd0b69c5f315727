"""A detector that says what it sees, and pictures that it understands."""

from pathlib import Path

import numpy as np

from aligndetr.runtime.prediction.detections import Detections
from aligndetr.runtime.prediction.picture import Picture
from aligndetr.runtime.prediction.result import Prediction
from aligndetr.runtime.prediction.sources import Source


def see(images):
    """One box over each image, whose score is the brightness of its first pixel."""
    return [
        Detections.of(
            image.shape[:2],
            [[0, 0, image.shape[1], image.shape[0]]],
            [image[0, 0, 0] / 255],
            [0],
        )
        for image in images
    ]


def grey(value, height=4, width=6):
    return np.full((height, width, 3), value, np.uint8)


def source(name, *arrays):
    def pictures():
        for number, array in enumerate(arrays):
            yield Picture(f"{name}{number}", Path(f"{name}{number}.png"), lambda array=array: array)

    return Source(name, pictures)


def prediction(name="x.png", boxes=(), scores=(), classes=(), pixels=None, frame=None):
    """Of a picture of 50 x 60 pixels, unless others are given."""
    pixels = grey(0, 50, 60) if pixels is None else pixels
    picture = Picture(name, Path(name), lambda: pixels, frame)
    found = Detections.of(pixels.shape[:2], boxes, scores, classes)
    return Prediction(picture, found, ["cat", "a/dog"], pixels)
