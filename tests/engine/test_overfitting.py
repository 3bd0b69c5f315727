"""What can learn a batch passes; what cannot is named."""

import pytest
import torch
from torch import nn

from aligndetr.commands.overfit import format_outcome
from aligndetr.engine import overfitting
from aligndetr.engine.overfitting import Overfitting, _largest_parts, overfit
from aligndetr.errors import ConfigError, DataError


class Parts(nn.Module):
    """A model of the trainer's contract that learns, with parts that can be cut off."""

    class_names = None

    def __init__(self, cut=False, faint=1.0):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(3, 16), nn.Sequential(nn.ReLU(), nn.Linear(16, 4)))
        self.head = nn.Linear(3, 1)
        self.unused = nn.Parameter(torch.ones(2))
        self.cut, self.faint = cut, faint

    def forward(self, batch):
        colours = torch.stack([x["image"].float().mean((1, 2)) / 255 for x in batch])
        wanted = torch.tensor([float(len(x["instances"])) for x in batch])
        shape = self.body(colours)
        shape = (
            shape.detach() if self.cut else shape * self.faint + shape.detach() * (1 - self.faint)
        )
        count = self.head(colours)[:, 0]
        return {
            "loss_bbox": (shape - wanted[:, None] - 5).square().mean(),
            "loss_class_0": (count - 3).square().mean(),
        }


@pytest.fixture
def config(tiny_config, monkeypatch):
    def make(*overrides, **parts):
        config = tiny_config("train.clip_grad.enabled=false", "optimizer.lr=0.05", *overrides)
        monkeypatch.setattr(overfitting, "build_model", lambda *_: Parts(**parts))
        return config

    return make


def test_a_model_that_learns_passes(config):
    outcome = overfit(config(), steps=150)
    assert outcome.passed
    assert outcome.fallen_to < 0.05
    assert (outcome.num_images, outcome.stuck()) == (2, [])
    first = outcome.first["loss_bbox"] + outcome.first["loss_class_0"]
    assert outcome.first["total_loss"] == pytest.approx(first)
    assert outcome.still == ["unused"]  # said even so
    assert outcome.vanishing == []
    assert outcome.rate == pytest.approx(0.05)  # the peak of the schedule


def test_a_part_that_gets_no_gradient_is_named(config):
    outcome = overfit(config(cut=True), steps=60)
    assert not outcome.passed
    assert outcome.still == ["unused", "body"]
    assert outcome.stuck()[0] == "loss_bbox"
    text = format_outcome(outcome, 60)
    assert "NOT below 0.3" in text
    assert "losses above the floor, the largest first: loss_bbox" in text
    assert "no gradient in any step: unused, body" in text


def test_a_vanishing_gradient_is_named(config):
    outcome = overfit(config(faint=1e-8), steps=5)
    assert outcome.vanishing == ["body"]
    assert "a vanishing gradient in any step: body" in format_outcome(outcome, 5)


def test_a_rate_of_zero_learns_nothing(config):
    outcome = overfit(config("optimizer.lr=0.0"), steps=5)
    assert outcome.fallen_to == pytest.approx(1)
    assert outcome.rate == 0
    *_, told = format_outcome(outcome, 5).splitlines()
    assert told.startswith("the learning rate was 0 in every step")
    assert "gradient" not in format_outcome(outcome, 5)  # `unused` may only seem so


def test_the_same_images_come_again(config, monkeypatch):
    seen = []
    original = Parts.forward

    def forward(self, batch):
        seen.append([(item["image_id"], item["image"].sum().item()) for item in batch])
        return original(self, batch)

    monkeypatch.setattr(Parts, "forward", forward)
    overfit(config(), num_batches=2, steps=6)
    assert seen[0::2] == [seen[0]] * 3
    assert seen[1::2] == [seen[1]] * 3
    assert seen[0] != seen[1]


def test_accumulated_parts_are_one_batch(config):
    outcome = overfit(config("train.accumulation_steps=2"), steps=2)
    assert outcome.num_images == 2


def test_nothing_is_written_and_the_config_stays(config, tmp_path):
    given = config()
    before = given.copy()
    overfit(given, steps=2)
    assert given == before
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("numbers", [{"steps": 0}, {"num_batches": 0}, {"floor": 1.0}])
def test_numbers_that_make_no_sense_are_refused(config, numbers):
    with pytest.raises(ConfigError, match="at least one"):
        overfit(config(), **numbers)


def test_a_batch_without_objects_teaches_nothing(config, coco_folder):
    given = config("dataloader.train.total_batch_size=1")

    def unlabelled(node, dataset, plan):
        for batch in original(node, dataset, plan):
            yield [{**item, "instances": item["instances"][:0]} for item in batch]

    original = overfitting.build_train_loader
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overfitting, "build_train_loader", unlabelled)
        with pytest.raises(DataError, match="no objects"):
            overfit(given, steps=1)


def test_the_real_model_has_gradients_everywhere(tiny_config):
    outcome = overfit(tiny_config(), steps=4)
    assert (outcome.still, outcome.vanishing) == ([], [])
    kinds = {"loss_class_enc", "loss_bbox", "loss_giou_dn", "total_loss"}
    assert kinds <= outcome.first.keys() == outcome.last.keys()


def test_the_largest_parts_are_named():
    model = nn.ModuleDict({"a": nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)), "b": Parts()})
    found = list(_largest_parts(model, {"a.0.weight", "a.0.bias", "a.1.bias", "b.unused"}))
    assert found == ["a.0", "a.1.bias", "b.unused"]
    everything = [name for name, _ in model.named_parameters()]
    assert list(_largest_parts(model, everything)) == ["the whole model"]


def test_a_table_of_layers_and_kinds():
    first = {"loss_class": 1.0, "loss_bbox": 2.0, "loss_class_dn_0": 4.0, "total_loss": 7.0}
    last = {"loss_class": 0.1, "loss_bbox": 0.25, "loss_class_dn_0": 3.0, "total_loss": 3.35}
    outcome = Overfitting(0.3, first, last, 2, 5, [], [], 0.01)
    # above 0.3 of the first: only the third, 3 > 1.2
    assert outcome.stuck() == ["loss_class_dn_0"]
    assert format_outcome(outcome, 9).splitlines() == [
        "2 images with 5 objects, 9 steps",
        "",
        "layer     class               bbox",
        "last      1 -> 0.1            2 -> 0.25",
        "dn_0      4 -> 3              -",
        "",
        "total loss 7 -> 3.35: 0.48 of the first, NOT below 0.3",
        "losses above the floor, the largest first: loss_class_dn_0",
        "every trained part has a gradient: try more --steps or another optimizer.lr",
    ]
