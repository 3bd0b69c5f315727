import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aligndetr.data import augmentation as T


def rng(seed=0):
    return np.random.default_rng(seed)


def ramp(height, width):
    """Pixels that all differ: (y, x, 0)."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y, x, 0 * x], axis=2).astype(np.uint8)


def test_resize_is_pillow_bilinear_and_scales_boxes():
    image = rng().integers(0, 256, (20, 30, 3)).astype(np.uint8)
    resized, transform = T.apply_augmentations([T.Resize((10, 45))], image, rng())
    expected = np.asarray(Image.fromarray(image).resize((45, 10), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(resized, expected)
    # x * 45 / 30, y * 10 / 20.
    np.testing.assert_allclose(transform.apply_box(np.array([[2.0, 4, 10, 20]])), [[3, 2, 15, 10]])
    assert T.Resize(16).get_transform(image, rng()).apply_image(image).shape == (16, 16, 3)


def test_a_resize_refuses_an_image_of_another_size():
    with pytest.raises(ValueError, match="expected 5x5 pixels"):
        T.ResizeTransform(5, 5, 9, 9).apply_image(ramp(4, 5))


@pytest.mark.parametrize(
    ("size", "short", "limit", "expected"),
    [
        ((480, 640), 800, 1333, (800, 1067)),  # 640 * 800 / 480 = 1066.67
        ((640, 480), 800, 1333, (1067, 800)),
        ((500, 1000), 800, 1333, (667, 1333)),  # 1600 is too long: 800 * 1333 / 1600 = 666.5
        ((100, 100), 37, 1333, (37, 37)),
        ((2, 3), 3, 100, (3, 5)),  # 4.5 is rounded up
    ],
)
def test_shortest_edge_sizes(size, short, limit, expected):
    assert T.ResizeShortestEdge.output_size(size, short, limit) == expected


@settings(deadline=None)
@given(st.integers(1, 2000), st.integers(1, 2000), st.integers(16, 900), st.integers(900, 1400))
def test_shortest_edge_keeps_limit_and_aspect(height, width, short, limit):
    new_height, new_width = T.ResizeShortestEdge.output_size((height, width), short, limit)
    assert max(new_height, new_width) <= limit
    scale = min(short / min(height, width), limit / max(height, width))
    assert abs(new_height - height * scale) <= 0.5 + 1e-6
    assert abs(new_width - width * scale) <= 0.5 + 1e-6


def test_shortest_edge_draws_a_choice_or_a_range():
    image, source = ramp(10, 10), rng()
    choice = T.ResizeShortestEdge([20, 30, 50], sample_style="choice")
    drawn = {choice.get_transform(image, source).new_height for _ in range(100)}
    assert drawn == {20, 30, 50}
    between = T.ResizeShortestEdge((20, 23))
    drawn = {between.get_transform(image, source).new_height for _ in range(100)}
    assert drawn == {20, 21, 22, 23}
    assert T.ResizeShortestEdge(25).get_transform(image, source).new_width == 25
    with pytest.raises(ValueError, match="range or choice"):
        T.ResizeShortestEdge(5, sample_style="any")
    with pytest.raises(ValueError, match=r"\(smallest, largest\)"):
        T.ResizeShortestEdge([1, 2, 3])
