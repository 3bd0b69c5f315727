"""What the model should find, and what it says."""

import torch

from aligndetr.structures import Predictions, Targets


def test_targets_of_a_batch_are_counted_and_joined():
    labels = [torch.tensor([4, 0]), torch.tensor([], dtype=torch.int64), torch.tensor([2])]
    boxes = [torch.rand(2, 4), torch.rand(0, 4), torch.rand(1, 4)]
    targets = Targets(labels, boxes)
    assert targets.sizes == [2, 0, 1]
    assert targets.num_boxes == 3
    assert targets.all_labels.tolist() == [4, 0, 2]
    assert torch.equal(targets.all_boxes[2], boxes[2][0])


def test_images_with_fewer_objects_repeat_their_last():
    nothing = torch.empty(0, dtype=torch.int64)
    labels = [torch.tensor([4]), torch.tensor([1, 2, 3]), nothing]
    boxes = [torch.full((len(each), 4), 0.1 * i) for i, each in enumerate(labels)]
    found, goals = Targets(labels, boxes).padded()
    assert found[:2].tolist() == [[4, 4, 4], [1, 2, 3]]
    assert found.shape == (3, 3)  # the last image has whatever there is
    assert goals.shape == (3, 3, 4)
    assert torch.equal(goals[0], boxes[0].expand(3, 4))
    none, no_boxes = Targets([nothing] * 2, [torch.empty(0, 4)] * 2).padded()
    assert none.shape == (2, 0)
    assert no_boxes.shape == (2, 0, 4)


def test_predictions_are_split_by_query():
    logits, boxes = torch.rand(3, 2, 7, 5), torch.rand(3, 2, 7, 4)  # I, B, Q
    first, rest = Predictions(logits, boxes).split(2)
    assert torch.equal(torch.cat([first.logits, rest.logits], 2), logits)
    assert first.boxes.shape == (3, 2, 2, 4)
    assert torch.equal(rest.boxes, boxes[:, :, 2:])
