import pytest
import torch

from aligndetr.criterions import Pairs
from aligndetr.matchers import Assignment


@pytest.fixture
def make_pairs():
    """Pairs from rows of (layer, image, query, target), and what is known of each."""

    def make(rows, labels, iou):
        columns = torch.tensor(rows, dtype=torch.int64).reshape(-1, 4).T
        assignment = Assignment(*columns, torch.zeros_like(columns[0]))
        iou = torch.as_tensor(iou)
        box = torch.tensor([0.0, 0.0, 1.0, 1.0]).to(iou).expand(len(iou), 4)
        return Pairs(assignment, torch.tensor(labels, dtype=torch.int64), box, box, iou)

    return make
