import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligndetr.data import augmentation as T

IMAGE = np.random.default_rng(0).integers(0, 256, (12, 16, 3)).astype(np.uint8)
UNCHANGED = {"brightness": (1, 1), "contrast": (1, 1), "saturation": (1, 1), "hue": (0, 0)}


class Straight:
    """A generator that always takes the upper bound, and every change but that of the hue.

    That one rounds even where it shifts by nothing.
    """

    def __init__(self, order=(0, 1, 2), early=True, hue=False):
        self.order, self.early, self.hue = order, early, hue

    def uniform(self, low, high):
        return high

    def permutation(self, number):
        return np.array(self.order)

    def random(self, size=None):
        if size is None:
            return 0.4 if self.early else 0.6
        happens = np.zeros(size)
        happens[3 if self.early else 2] = 0.0 if self.hue else 1.0
        return happens


def distort(image, generator=None, **ranges):
    augmentation = T.RandomPhotometricDistort(**{**UNCHANGED, **ranges})
    return augmentation.get_transform(image, generator or Straight()).apply_image(image)


def one_pixel(*rgb):
    return np.array([[rgb]], dtype=np.uint8)


def test_brightness_by_hand():
    # * 1.5, cut at 255
    assert distort(one_pixel(100, 40, 200), brightness=(1, 1.5)).tolist() == [[[150, 60, 255]]]


def test_contrast_by_hand():
    image = np.array([[[100, 100, 100], [60, 60, 60]]], dtype=np.uint8)
    # the mean is 80: 80 + 1.5 * 20 and 80 - 1.5 * 20
    assert distort(image, contrast=(1, 1.5)).tolist() == [[[110] * 3, [50] * 3]]


def test_saturation_by_hand():
    # luma of pure red: 0.299 * 200 = 59.8, so 60; half of the way from there to the colour
    image = np.array([[[200, 0, 0], [0, 0, 0]]], dtype=np.uint8)
    assert distort(image, saturation=(0, 0.5)).tolist() == [[[130, 30, 30], [0, 0, 0]]]


def test_hue_goes_around_the_circle():
    # 1/3 of the circle: red becomes green, green blue, blue red
    image = np.array([[[200, 0, 0], [0, 200, 0], [0, 0, 200]]], dtype=np.uint8)
    turned = distort(image, Straight(hue=True), hue=(0, 1 / 3)).astype(int)
    expected = np.array([[[0, 200, 0], [0, 0, 200], [200, 0, 0]]])
    assert abs(turned - expected).max() <= 5  # 8 bits of hue
    back = distort(image, Straight(hue=True), hue=(0, -1 / 3)).astype(int)
    assert abs(back - expected[:, [1, 2, 0]]).max() <= 5
    small = distort(one_pixel(180, 90, 40), Straight(hue=True), hue=(0, 0.05))
    hue, saturation, value = colorsys.rgb_to_hsv(*(np.array([180, 90, 40]) / 255))
    expected = np.array(colorsys.hsv_to_rgb(hue + 0.05, saturation, value)) * 255
    assert abs(small - expected).max() <= 4


def test_channels_are_swapped_and_contrast_comes_early_or_late():
    swapped = distort(IMAGE, Straight(order=(2, 0, 1)))
    np.testing.assert_array_equal(swapped, IMAGE[..., [2, 0, 1]])
    ranges = {"contrast": (1, 1.5), "saturation": (1, 1.5)}
    early = distort(IMAGE, Straight(), **ranges)
    late = distort(IMAGE, Straight(early=False), **ranges)
    assert (early != late).any()


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_pixels_stay_pixels_and_boxes_where_they_are(seed):
    steps = [T.RandomPhotometricDistort()]
    image, transform = T.apply_augmentations(steps, IMAGE, np.random.default_rng(seed))
    assert (image.shape, image.dtype) == (IMAGE.shape, np.uint8)
    boxes = np.array([[1.0, 2, 9, 8]])
    np.testing.assert_array_equal(transform.apply_box(boxes), boxes)
    again, _ = T.apply_augmentations(steps, IMAGE, np.random.default_rng(seed))
    np.testing.assert_array_equal(image, again)


@pytest.mark.parametrize("prob, changed", [(0.0, 0), (1.0, 300), (0.2, 300 * (1 - 0.8**5))])
def test_each_change_happens_as_often_as_asked(prob, changed):
    augmentation = T.RandomPhotometricDistort(prob=prob)
    image, source = one_pixel(180, 90, 40), np.random.default_rng(0)
    transforms = [augmentation.get_transform(image, source) for _ in range(300)]
    number = sum(bool(transform.changes) for transform in transforms)
    assert abs(number - changed) < 45  # 202 of 300 at 0.2; standard deviation 8
    if prob == 0:
        np.testing.assert_array_equal(transforms[0].apply_image(IMAGE), IMAGE)
