import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aligndetr.layers.boxes import (
    box_area,
    cxcywh_to_xyxy,
    paired_giou,
    paired_iou,
    pairwise_giou,
    pairwise_iou,
    xyxy_to_cxcywh,
)


def test_conversion_by_hand():
    # centre (3, 5), 2 wide, 4 high: x from 3 - 1 to 3 + 1, y from 5 - 2 to 5 + 2
    box = torch.tensor([[3.0, 5.0, 2.0, 4.0]])
    assert cxcywh_to_xyxy(box).tolist() == [[2.0, 3.0, 4.0, 7.0]]
    assert xyxy_to_cxcywh(torch.tensor([[2.0, 3.0, 4.0, 7.0]])).tolist() == box.tolist()


def test_overlap_by_hand():
    a = torch.tensor([[0.0, 0.0, 4.0, 4.0]], dtype=torch.float64)
    b = torch.tensor([[2.0, 2.0, 6.0, 4.0]], dtype=torch.float64)
    # areas 16 and 8; they share x 2..4, y 2..4 = 4; union 16 + 8 - 4 = 20; hull 6 x 4 = 24
    assert box_area(a).item() == 16
    iou, union = paired_iou(a, b, eps=0)
    assert iou.item() == pytest.approx(4 / 20, abs=1e-15)
    assert union.item() == 20
    assert paired_giou(a, b, eps=0).item() == pytest.approx(4 / 20 - (24 - 20) / 24, abs=1e-15)


def test_disjoint_boxes_have_negative_giou():
    a = torch.tensor([[0.0, 0.0, 1.0, 1.0]], dtype=torch.float64)
    b = torch.tensor([[3.0, 0.0, 4.0, 1.0]], dtype=torch.float64)
    # no overlap; union 2; hull 4: 0 - (4 - 2) / 4
    assert paired_giou(a, b, eps=0).item() == pytest.approx(-0.5, abs=1e-15)


def test_epsilon_keeps_empty_boxes_finite():
    point = torch.zeros(1, 4)
    assert paired_giou(point, point).item() == 0.0
    assert paired_iou(point, point)[0].item() == 0.0


def test_pairwise_is_paired_of_every_pair():
    torch.manual_seed(0)
    a, b = (cxcywh_to_xyxy(torch.rand(n, 4)) for n in (3, 5))
    iou, _ = pairwise_iou(a, b)
    giou = pairwise_giou(a, b)
    for i in range(3):
        for j in range(5):
            assert iou[i, j] == paired_iou(a[i], b[j])[0]
            assert giou[i, j] == paired_giou(a[i], b[j])


side = st.floats(0.01, 1.0)


@settings(deadline=None)
@given(st.tuples(side, side, side, side), st.tuples(side, side, side, side))
def test_giou_is_symmetric_and_bounded_by_iou(first, second):
    a, b = (cxcywh_to_xyxy(torch.tensor([box], dtype=torch.float64)) for box in (first, second))
    giou = paired_giou(a, b).item()
    assert -1 <= giou <= paired_iou(a, b)[0].item() + 1e-9 <= 1 + 1e-9
    assert giou == pytest.approx(paired_giou(b, a).item(), abs=1e-12)
