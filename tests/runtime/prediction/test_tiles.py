"""Where tiles lie, and what is found in them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligndetr.errors import UserError
from aligndetr.runtime.prediction.detections import Detections, overlaps
from aligndetr.runtime.prediction.tiles import TiledDetector, Tiles

sides = st.integers(32, 300)


@settings(deadline=None)
@given(sides, st.floats(0, 0.9), st.integers(1, 400), st.integers(1, 400))
def test_tiles_cover_the_image_and_overlap_as_much_as_asked(side, overlap, height, width):
    boxes = np.array(Tiles(side, overlap).boxes((height, width)))
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= (width, height)).all()
    for axis, length in ((0, width), (1, height)):
        spans = sorted(set(map(tuple, boxes[:, [axis, axis + 2]].tolist())))
        assert spans[0][0] == 0
        assert spans[-1][1] == length
        assert {end - start for start, end in spans} == {min(side, length)}
        for (_, end), (start, _) in itertools.pairwise(spans):
            assert end - start >= overlap * side


def test_tiles_by_hand():
    """Of 1000 pixels with 640 and a fifth of overlap: 640 - 128 = 512 on, so the second ends it."""
    assert Tiles(640, 0.2).boxes((640, 1000)) == [(0, 0, 640, 640), (360, 0, 1000, 640)]
    assert Tiles(640, 0.2).boxes((50, 640)) == [(0, 0, 640, 50)]


def test_bad_tiles():
    with pytest.raises(UserError, match="tiles of 31 pixels are too small"):
        Tiles(31)
    for overlap in (-0.1, 0.95, 128):
        with pytest.raises(UserError, match="leaves no room"):
            Tiles(640, overlap)


def bright(images):
    """Finds every bright rectangle that it sees at least 6 pixels of in both directions."""
    for image in images:
        assert max(image.shape[:2]) <= 64
        boxes = []
        left = image[:, :, 0] > 127
        while left.any():
            y0, x0 = (int(values[0]) for values in np.nonzero(left))
            x1 = x0 + int(np.argmin(np.append(left[y0, x0:], False)))
            y1 = y0 + int(np.argmin(np.append(left[y0:, x0], False)))
            left[y0:y1, x0:x1] = False
            if min(x1 - x0, y1 - y0) >= 6:
                boxes.append((x0, y0, x1, y1))
        yield Detections.of(image.shape[:2], boxes, [0.9] * len(boxes), [0] * len(boxes))


def test_small_ones_on_seams_and_large_ones_are_found_once():
    objects = np.array(
        [
            [10, 10, 20, 22],  # in one tile
            [55, 100, 75, 112],  # on a seam
            [120, 40, 132, 52],
            [20, 130, 150, 190],  # larger than a tile
            [200, 200, 250, 230],
        ]
    )
    image = np.zeros((256, 270, 3), np.uint8)
    for x0, y0, x1, y1 in objects:
        image[y0:y1, x0:x1] = 255
    found = TiledDetector(lambda images: list(bright(images)), Tiles(64, 0.25), 4)([image])[0]
    assert found.size == (256, 270)
    assert len(found) == len(objects)
    assert overlaps(objects[:, None], found.boxes).max(axis=1).min() > 0.9
    # without tiles, objects of 10 pixels are too small in a picture that was made to fit
    small = TiledDetector(lambda images: list(bright(images)), Tiles(64, 0.25))
    assert len(small.detect([image[::5, ::5]])[0]) == 2


def test_images_of_one_tile_are_one_batch():
    batches = []

    def detect(images):
        batches.append(len(images))
        return list(bright(images))

    images = [np.zeros((60, 64, 3), np.uint8)] * 3
    assert [len(found) for found in TiledDetector(detect, Tiles(64))(images)] == [0, 0, 0]
    assert batches == [3]


def test_uncertain_ones_are_forgotten_early():
    def detect(images):
        return [
            Detections.of(image.shape[:2], [[5, 5, 20, 20]] * 2, [0.3, 0.7], [0, 1])
            for image in images
        ]

    image = np.zeros((60, 100, 3), np.uint8)
    found = TiledDetector(detect, Tiles(64, 0.0), lowest=0.5)([image])[0]
    assert set(found.classes.tolist()) == {1}
