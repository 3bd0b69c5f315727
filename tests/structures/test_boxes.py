"""Boxes in pixels, by hand."""

import pytest
import torch

from aligndetr.structures import Boxes


def test_area_clip_scale_by_hand():
    boxes = Boxes([[10, 5, 30, 15], [-4, -6, 8, 12]])  # integers become float32
    assert boxes.tensor.dtype == torch.float32
    assert boxes.area().tolist() == [20 * 10, 12 * 18]
    # image 10 high, 25 wide: x is cut at 25, y at 10
    assert boxes.clip((10, 25)).tensor.tolist() == [[10, 5, 25, 10], [0, 0, 8, 10]]
    assert boxes.scale(2, 3).tensor.tolist() == [[20, 15, 60, 45], [-8, -18, 16, 36]]
    assert boxes.tensor.tolist() == [[10, 5, 30, 15], [-4, -6, 8, 12]]


def test_nonempty_needs_width_and_height():
    boxes = Boxes([[0.0, 0, 4, 4], [0, 0, 4, 0], [3, 0, 1, 4], [0, 0, 1, 4]])
    assert boxes.nonempty().tolist() == [True, False, False, True]
    assert boxes.nonempty(1.0).tolist() == [True, False, False, False]


def test_selection_keeps_two_dimensions():
    boxes = Boxes(torch.arange(12.0).reshape(3, 4))
    assert boxes[1].tensor.tolist() == [[4, 5, 6, 7]]
    assert len(boxes[1:]) == 2
    assert boxes[torch.tensor([True, False, True])].tensor[:, 0].tolist() == [0, 8]
    assert [row[0].item() for row in boxes] == [0, 4, 8]


def test_cat_and_no_boxes():
    one, none = Boxes([[1.0, 2, 3, 4]]), Boxes([])
    assert none.tensor.shape == (0, 4)
    assert Boxes.cat([one, none, one]).tensor[:, 3].tolist() == [4, 4]
    assert len(Boxes.cat([])) == 0


@pytest.mark.parametrize("wrong", [[1.0, 2, 3, 4], [[1.0, 2, 3]], torch.zeros(2, 2, 4)])
def test_other_shapes_are_refused(wrong):
    with pytest.raises(ValueError, match=r"must have shape \(N, 4\)"):
        Boxes(wrong)


def test_to_moves_a_copy():
    boxes = Boxes([[0.0, 1, 2, 3]])
    assert boxes.to(torch.float64).tensor.dtype == torch.float64
    assert boxes.to("meta").device.type == "meta"
    assert boxes.device.type == "cpu"
