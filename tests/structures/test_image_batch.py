"""Images of different sizes in one tensor."""

import pytest
import torch

from aligndetr.structures import ImageBatch


def test_images_are_padded_at_the_bottom_and_right():
    wide, high = torch.ones(3, 2, 5), torch.full((3, 4, 3), 2.0)
    batch = ImageBatch.from_images([wide, high])
    assert batch.pixels.shape == (2, 3, 4, 5)
    assert batch.sizes == [(2, 5), (4, 3)]
    # 2 x 5 of 4 x 5 pixels are image, then 4 x 3
    assert (~batch.padding).sum((1, 2)).tolist() == [10, 12]
    assert batch.pixels.sum((2, 3))[:, 0].tolist() == [10, 24]
    assert torch.equal(batch.pixels[1, :, :4, :3], high)
    assert not batch.padding[0, 1, 4]
    assert batch.padding[0, 2, 0]


def test_equal_sizes_have_no_padding():
    batch = ImageBatch.from_images([torch.rand(3, 4, 5, dtype=torch.float64)] * 2)
    assert not batch.padding.any()
    assert batch.pixels.dtype == torch.float64


@pytest.mark.parametrize("images, message", [([], "empty list"), ([torch.zeros(4, 5)], "(4, 5)")])
def test_what_is_no_image_is_named(images, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        ImageBatch.from_images(images)


def test_padding_is_known_on_the_host():
    images = [torch.rand(3, 4, 5), torch.rand(3, 4, 4)]
    assert ImageBatch.from_images(images).is_padded
    assert not ImageBatch.from_images(images[:1] * 2).is_padded
    pixels = torch.rand(1, 3, 4, 5)
    assert ImageBatch(pixels, torch.zeros(1, 4, 5, dtype=torch.bool), None).is_padded  # may be
