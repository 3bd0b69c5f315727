"""How much results move with the size of what shares the batch."""

import numpy as np
import pytest
import torch
from torch import nn

from aligndetr.errors import UserError
from aligndetr.explanation.padding import PaddedResults, detect_padded, moves
from aligndetr.structures import Boxes, Instances


def test_moves_by_hand():
    rows = np.array(
        [
            [0, 0, 10, 10, 0.9, 0],
            [0, 0, 10, 10, 0.8, 1],  # a class that the others do not have
            [50, 50, 60, 60, 0.7, 2],  # one of its class, elsewhere
        ]
    )
    others = np.array(
        [
            [0, 0, 10, 8, 0.5, 0],
            [0, 0, 10, 8, 0.85, 0],  # as near, and more alike
            [0, 0, 10, 10, 0.9, 3],  # nearer, of another class
            [80, 80, 90, 90, 0.4, 2],
        ]
    )
    overlap, change = moves(rows, others)
    np.testing.assert_allclose(overlap, [0.8, 0.0, 0.0])  # 80 of 100 pixels
    np.testing.assert_allclose(change, [0.05, 0.8, 0.3])
    nothing = np.zeros((0, 6))
    assert [x.tolist() for x in moves(rows, nothing)] == [[0, 0, 0], [0.9, 0.8, 0.7]]
    assert [x.tolist() for x in moves(nothing, others)] == [[], []]


def test_only_confident_detections_count():
    rows = np.array([[0, 0, 9, 9, 0.9, 0], [0, 0, 9, 9, 0.2, 0]])
    results = PaddedResults({1: rows, 2: rows}, {1: rows, 2: rows[:0]})
    overlap, change = results.moves(0.3)
    assert overlap.tolist() == pytest.approx([1, 0], abs=1e-6)
    assert change.tolist() == [0, 0.9]
    assert [len(x) for x in PaddedResults({}, {}).moves(0.3)] == [0, 0]


class Leaky(nn.Module):
    """Finds the whole image, with a score that falls with what the batch is padded to."""

    def forward(self, batch):
        height = max(item["image"].shape[1] for item in batch)
        return [{"instances": self.found(item["image"], height)} for item in batch]

    def found(self, image, height):
        boxes = Boxes(torch.tensor([[0.0, 0.0, 10.0, 10.0]]))
        score = torch.tensor([image.shape[1] / height])
        kind = torch.zeros(1, dtype=torch.int64)
        return Instances((10, 10), pred_boxes=boxes, scores=score, pred_classes=kind)


@pytest.mark.parametrize("factor, change", [(1.0, 0.0), (1.25, 0.2), (2.0, 0.5)])
def test_an_image_is_seen_alone_and_beside_a_larger_one(factor, change):
    items = [{"image": torch.ones(3, 20, 30), "image_id": i} for i in range(3)]
    results = detect_padded(Leaky(), [items[:2], items[2:]], factor)
    assert list(results.alone) == list(results.padded) == [0, 1, 2]
    overlap, found = results.moves(0.5)
    np.testing.assert_allclose(overlap, 1)
    np.testing.assert_allclose(found, change, atol=1e-6)


def test_no_smaller_ones():
    with pytest.raises(UserError, match=r"factor of 0\.5 cannot be"):
        detect_padded(Leaky(), [], 0.5)


def test_without_padding_nothing_moves(tiny_model, without_truth):
    item = {**without_truth, "image_id": 4}
    results = detect_padded(tiny_model("aligndetr_tiny"), [[item]], 1.0)
    overlap, change = results.moves(0.0)
    assert len(overlap) > 10
    np.testing.assert_allclose(overlap, 1, atol=1e-3)
    np.testing.assert_allclose(change, 0, atol=1e-5)
