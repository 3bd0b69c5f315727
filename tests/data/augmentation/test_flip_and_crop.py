import numpy as np
import pytest
from fvcore.transforms.transform import HFlipTransform

from aligndetr.data import augmentation as T


def rng(seed=0):
    return np.random.default_rng(seed)


def ramp(height, width):
    """Pixels that all differ: (y, x, 0)."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y, x, 0 * x], axis=2).astype(np.uint8)


def test_flips_turn_pixels_and_boxes():
    image = ramp(4, 10)
    flipped, transform = T.apply_augmentations([T.RandomFlip(1.0)], image, rng())
    np.testing.assert_array_equal(flipped, image[:, ::-1])
    # x0, x1 = 10 - 7, 10 - 2.
    np.testing.assert_allclose(transform.apply_box(np.array([[2.0, 1, 7, 3]])), [[3, 1, 8, 3]])
    upside = T.RandomFlip(1.0, horizontal=False, vertical=True)
    flipped, transform = T.apply_augmentations([upside], image, rng())
    np.testing.assert_array_equal(flipped, image[::-1])
    np.testing.assert_allclose(transform.apply_box(np.array([[2.0, 1, 7, 3]])), [[2, 1, 7, 3]])


def test_flips_happen_as_often_as_asked():
    flip, source = T.RandomFlip(0.3), rng()
    kinds = [type(flip.get_transform(ramp(2, 2), source)).__name__ for _ in range(2000)]
    # 600 expected; the standard deviation is sqrt(2000 * 0.3 * 0.7) = 20.
    assert abs(kinds.count("HFlipTransform") - 600) < 100
    assert not any(
        isinstance(T.RandomFlip(0.0).get_transform(ramp(2, 2), source), HFlipTransform)
        for _ in range(20)
    )


def test_a_flip_needs_one_direction():
    with pytest.raises(ValueError, match="either horizontally or vertically"):
        T.RandomFlip(horizontal=True, vertical=True)


def test_crop_moves_boxes_with_the_pixels():
    image = ramp(50, 80)
    cropped, transform = T.apply_augmentations([T.RandomCrop("absolute", (20, 30))], image, rng(3))
    assert cropped.shape == (20, 30, 3)
    top, left = cropped[0, 0, :2]
    np.testing.assert_array_equal(cropped, image[top : top + 20, left : left + 30])
    moved = transform.apply_box(np.array([[40.0, 30, 60, 45]]))
    np.testing.assert_allclose(moved, [[40.0 - left, 30.0 - top, 60.0 - left, 45.0 - top]])


@pytest.mark.parametrize(
    ("kind", "numbers", "heights", "widths"),
    [
        ("absolute", (20, 300), (20, 20), (80, 80)),  # never larger than the image
        ("absolute_range", (30, 60), (30, 50), (30, 60)),
        ("absolute_range", (384, 600), (50, 50), (80, 80)),
        ("relative", (0.5, 0.25), (25, 25), (20, 20)),
        ("relative_range", (0.5, 0.75), (25, 50), (60, 80)),
    ],
)
def test_crop_sizes(kind, numbers, heights, widths):
    crop, source = T.RandomCrop(kind, numbers), rng()
    sizes = np.array(
        [crop.get_transform(ramp(50, 80), source).apply_image(ramp(50, 80)).shape[:2]
         for _ in range(400)]
    )  # fmt: skip
    assert (sizes[:, 0].min(), sizes[:, 0].max()) == heights
    assert (sizes[:, 1].min(), sizes[:, 1].max()) == widths


def test_crops_reach_every_corner_and_unknown_kinds_are_refused():
    crop, source = T.RandomCrop("absolute", (9, 9)), rng()
    corners = {(t.y0, t.x0) for t in (crop.get_transform(ramp(10, 11), source) for _ in range(200))}
    assert corners == {(y, x) for y in (0, 1) for x in (0, 1, 2)}
    with pytest.raises(ValueError, match="crop_type must be one of"):
        T.RandomCrop("some", (1, 2))


def test_draws_come_from_the_given_generator_only():
    steps = [
        T.RandomFlip(),
        T.ResizeShortestEdge([30, 40, 50], sample_style="choice"),
        T.RandomCrop("absolute_range", (10, 30)),
        T.ResizeShortestEdge((20, 60)),
    ]
    image = rng().integers(0, 256, (40, 60, 3)).astype(np.uint8)
    global_state = np.random.get_state()[1].copy()
    first = [T.apply_augmentations(steps, image, rng(seed))[0] for seed in range(6)]
    np.random.seed(1)
    second = [T.apply_augmentations(steps, image, rng(seed))[0] for seed in range(6)]
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert len({image.shape for image in first}) > 1
    np.random.set_state(("MT19937", global_state, 624, 0, 0.0))
