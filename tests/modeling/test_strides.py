"""Where cells of a level lie in images whose sides are no multiples of the stride, by hand."""

import pytest
import torch

from aligndetr.layers.position_embedding import SinePositionEmbedding
from aligndetr.modeling.pyramid import PyramidBuilder

STRIDES = [8, 32]


def pyramid(strides, height, width, valid=None):
    """Of one image on a canvas; `valid` pixels of (height, width), the rest is padding."""
    shapes = [(-(-height // stride), -(-width // stride)) for stride in STRIDES]
    builder = PyramidBuilder(SinePositionEmbedding(4), 2, 8, strides)
    padding = torch.zeros(1, height, width, dtype=torch.bool)
    if valid:
        padding[:, valid[0] :] = padding[:, :, valid[1] :] = True
    return builder([torch.zeros(1, 8, *shape) for shape in shapes], padding, valid is not None)


def test_a_part_of_a_cell_counts_as_a_part():
    # 240 x 320 pixels at stride 32: 7.5 x 10 cells on a map of 8 x 10.
    found = pyramid(STRIDES, 240, 320)
    assert found.valid_ratios.tolist() == [[[1.0, 1.0], [1.0, 7.5 / 8]]]
    # The first cell's centre is 16 pixels from each edge, of 320 and of 240 pixels.
    assert found.centers[0, 30 * 40].tolist() == pytest.approx([16 / 320, 16 / 240])
    # As published: whole cells, 8 of them.
    counted = pyramid(None, 240, 320)
    assert counted.valid_ratios.tolist() == [[[1.0, 1.0], [1.0, 1.0]]]
    assert counted.centers[0, 30 * 40].tolist() == pytest.approx([0.5 / 10, 0.5 / 8])


def test_padding_that_begins_within_a_cell():
    # 100 x 200 pixels of 128 x 320: 12.5 x 25 cells of 8 (of 16 x 40), 3.125 x 6.25 of 32 (4 x 10).
    found = pyramid(STRIDES, 128, 320, (100, 200))
    assert found.valid_ratios[0, 0].tolist() == pytest.approx([25 / 40, 12.5 / 16])
    assert found.valid_ratios[0, 1].tolist() == pytest.approx([6.25 / 10, 3.125 / 4])


@pytest.mark.parametrize("valid", [None, (211, 277)])
def test_a_point_is_the_same_pixel_of_every_level(valid):
    height, width = 219, 301
    found = pyramid(STRIDES, height, width, valid)
    point = torch.tensor([[[0.3, 0.8]]])
    x, y = point[0, 0] * torch.tensor(valid[::-1] if valid else (width, height))
    for level, (stride, (rows, columns)) in enumerate(zip(STRIDES, found.shapes, strict=True)):
        place = found.reference(point)[0, 0, level]
        assert (place[0] * columns * stride).item() == pytest.approx(x.item(), rel=1e-5)
        assert (place[1] * rows * stride).item() == pytest.approx(y.item(), rel=1e-5)
    counted = pyramid(None, height, width, valid).reference(point)[0, 0, 1]
    assert (counted[0] * found.shapes[1][1] * 32).item() != pytest.approx(x.item(), rel=1e-2)


def test_whole_cells_give_the_same_either_way():
    for valid in (None, (64, 96)):
        one, other = pyramid(STRIDES, 96, 128, valid), pyramid(None, 96, 128, valid)
        assert torch.equal(one.valid_ratios, other.valid_ratios)
        assert torch.equal(one.centers, other.centers)


def test_a_stride_a_level():
    with pytest.raises(ValueError, match="3 strides for 2 levels"):
        pyramid([8, 16, 32], 64, 64)
