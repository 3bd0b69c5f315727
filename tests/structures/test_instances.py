"""Objects of one image with any fields."""

import copy
import pickle

import pytest
import torch

from aligndetr.structures import Boxes, Instances


@pytest.fixture
def three():
    return Instances(
        (40, 60),
        pred_boxes=Boxes(torch.arange(12.0).reshape(3, 4)),
        scores=torch.tensor([0.9, 0.2, 0.7]),
        names=["a", "b", "c"],
    )


def test_a_selection_takes_every_field(three):
    chosen = three[three.scores > 0.5]
    assert len(chosen) == 2
    assert chosen.image_size == (40, 60)
    assert chosen.names == ["a", "c"]
    assert chosen.pred_boxes.tensor[:, 0].tolist() == [0, 8]
    assert three[torch.tensor([2, 0])].names == ["c", "a"]
    assert three[1:].names == ["b", "c"]
    assert three[-1].names == ["c"]
    assert three[1].scores.tolist() == pytest.approx([0.2])
    for index in (3, -4):
        with pytest.raises(IndexError, match="of 3 instances"):
            three[index]


def test_fields_have_one_length_and_known_names(three):
    with pytest.raises(ValueError, match="field classes has 2 entries"):
        three.classes = torch.zeros(2)
    three.scores = torch.zeros(3)  # replaced
    three.remove("names")
    assert list(three.get_fields()) == ["pred_boxes", "scores"]
    assert not three.has("names")
    with pytest.raises(AttributeError, match=r"no field 'names'; there are \['pred_boxes'"):
        three.names  # noqa: B018


def test_cat_joins_fields_in_order(three):
    both = Instances.cat([three, three[:1]])
    assert both.names == ["a", "b", "c", "a"]
    assert len(both.pred_boxes) == len(both.scores) == 4


def test_none_at_all():
    assert len(Instances((4, 4))) == 0
    assert len(Instances((4, 4), scores=torch.zeros(0))) == 0


def test_to_moves_what_can_move(three):
    moved = three.to("meta")
    assert moved.scores.device.type == moved.pred_boxes.device.type == "meta"
    assert moved.names == ["a", "b", "c"]
    assert three.scores.device.type == "cpu"


@pytest.mark.parametrize("remake", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_are_whole(three, remake):
    other = remake(three)
    assert other.image_size == three.image_size
    assert other.names == three.names
    assert torch.equal(other.pred_boxes.tensor, three.pred_boxes.tensor)
