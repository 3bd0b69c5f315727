"""What a runtime does to images, against what the detector's own mapper does."""

import numpy as np
import pytest

from aligndetr.data.augmentation import (
    RandomFlip,
    Resize,
    ResizeShortestEdge,
    apply_augmentations,
)
from aligndetr.errors import ExportError
from aligndetr.export.describe import example_canvas, resize_rule
from aligndetr.runtime.exported.preparing import prepare, resized_size


def metadata(rule, order="RGB", canvas=None):
    images = {"dtype": "uint8"}
    return {
        "resize": rule,
        "channel_order": order,
        "canvas": canvas,
        "inputs": {"images": images},
    }


def image(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "augmentation",
    [
        ResizeShortestEdge(60, max_size=100),
        ResizeShortestEdge(480, max_size=1333),
        ResizeShortestEdge(33),
        ResizeShortestEdge(None),
        Resize((50, 70)),
    ],
)
@pytest.mark.parametrize("size", [(48, 64), (64, 48), (37, 111), (200, 31), (60, 60)])
def test_pixels_are_those_of_the_mapper(augmentation, size):
    original = image(*size)
    rng = np.random.default_rng(0)
    expected, _ = apply_augmentations([augmentation], original, rng)
    found = prepare([original], metadata(resize_rule([augmentation])))
    assert found.images.shape == (1, 3, *expected.shape[:2])
    assert np.array_equal(found.images[0].transpose(1, 2, 0), expected)
    assert found.sizes.tolist() == [list(expected.shape[:2])]
    assert found.original_sizes.tolist() == [list(size)]


def test_channels_in_the_order_of_the_model():
    original = image(4, 5)
    found = prepare([original], metadata({"rule": "none"}, "BGR"))
    assert np.array_equal(found.images[0, 0], original[:, :, 2])


def test_images_share_a_canvas():
    first, second = image(4, 9), image(6, 5, seed=1)
    found = prepare([first, second], metadata({"rule": "none"}))
    assert found.images.shape == (2, 3, 6, 9)
    assert np.array_equal(found.images[1, :, :6, :5], second.transpose(2, 0, 1))
    assert not found.images[0, :, 4:].any()
    assert not found.images[1, :, :, 5:].any()


def test_a_fixed_canvas_is_filled_up():
    canvas = {"height": 40, "width": 60, "batch": 3}
    found = prepare([image(20, 90), image(80, 30)], metadata({"rule": "none"}, canvas=canvas))
    assert found.images.shape == (3, 3, 40, 60)
    # 20 x 90 shrinks by 60 / 90 to 13.3 x 60; 80 x 30 by 40 / 80 to 40 x 15; the third is empty
    assert found.sizes.tolist() == [[13, 60], [40, 15], [40, 60]]


def test_sizes_by_hand():
    rule = {"rule": "shortest_edge", "length": 800, "max_size": 1333}
    # 480 x 640: 800 / 480 * 640 = 1066.67; 400 x 900: 800 x 1800, then by 1333 / 1800: 592.4 x 1333
    assert resized_size((480, 640), metadata(rule)) == (800, 1067)
    assert resized_size((400, 900), metadata(rule)) == (592, 1333)


def test_what_no_rule_describes_is_named():
    with pytest.raises(ExportError, match="RandomFlip"):
        resize_rule([RandomFlip()])
    with pytest.raises(ExportError, match="one length"):
        resize_rule([ResizeShortestEdge([480, 800], sample_style="choice")])
    with pytest.raises(ExportError, match="bilinear"):
        resize_rule([ResizeShortestEdge(480, interp=0)])


def test_the_canvas_to_trace_with_is_no_square():
    """A graph that takes height for width would pass otherwise."""
    canvas = example_canvas({"rule": "shortest_edge", "length": 500, "max_size": None})
    assert (canvas.height, canvas.width, canvas.batch, canvas.fixed) == (500, 600, 2, False)
