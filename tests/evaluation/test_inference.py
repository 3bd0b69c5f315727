"""The evaluation loop."""

import logging
import re

import pytest
import torch
from torch import nn

from aligndetr.evaluation import COCOEvaluator, DatasetEvaluators, inference_on_dataset
from aligndetr.evaluation.evaluator import DatasetEvaluator


class Recorder(DatasetEvaluator):
    def __init__(self, task="seen"):
        self.task = task
        self.seen = ["left over"]

    def reset(self):
        self.seen = []

    def process(self, inputs, outputs):
        self.seen += [
            (item["image_id"], output) for item, output in zip(inputs, outputs, strict=True)
        ]

    def evaluate(self):
        return {self.task: {"images": float(len(self.seen))}}


class Toy(nn.Module):
    """A frozen part must stay in evaluation mode afterwards."""

    def __init__(self):
        super().__init__()
        self.frozen = nn.BatchNorm1d(2).eval()
        self.live = nn.BatchNorm1d(2)
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, batch):
        assert not self.live.training
        assert not (self.weight * 2).requires_grad
        return [{"instances": item["image_id"] * 10} for item in batch]


LOADER = [[{"image_id": 1}, {"image_id": 2}], [{"image_id": 3}]]


def test_every_item_meets_its_output_once():
    recorder = Recorder()
    results = inference_on_dataset(Toy(), LOADER, recorder)
    assert results == {"seen": {"images": 3.0}}
    assert recorder.seen == [(i, {"instances": 10 * i}) for i in (1, 2, 3)]


def test_training_mode_of_each_module_is_restored():
    model = Toy()
    inference_on_dataset(model, LOADER, Recorder())
    assert model.training
    assert model.live.training
    assert not model.frozen.training
    with pytest.raises(TypeError):
        inference_on_dataset(model, [[{"image_id": None}]], Recorder())
    assert model.live.training
    assert not model.frozen.training


def test_empty_shard_and_plain_callable():
    assert inference_on_dataset(Toy(), [], Recorder()) == {"seen": {"images": 0.0}}
    assert (
        inference_on_dataset(lambda batch: batch, iter(LOADER), Recorder())["seen"]["images"] == 3
    )


def test_several_evaluators_share_the_pass():
    calls = []
    results = inference_on_dataset(
        lambda batch: calls.append(1) or batch, LOADER, [Recorder("a"), Recorder("b")]
    )
    assert results == {"a": {"images": 3.0}, "b": {"images": 3.0}}
    assert len(calls) == len(LOADER)
    with pytest.raises(ValueError, match="the task"):
        inference_on_dataset(Toy(), LOADER, DatasetEvaluators([Recorder(), Recorder()]))


def test_timing_line(caplog):
    with caplog.at_level(logging.INFO, logger="aligndetr"):
        inference_on_dataset(Toy(), LOADER, Recorder())
    said = next(text for text in caplog.messages if text.startswith("evaluated 3 images in"))
    assert re.search(r"\(data \d+\.\d s, model \d+\.\d s, evaluator \d+\.\d s, ", said), said


def test_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert inference_on_dataset(Toy(), LOADER, Recorder())["seen"]["images"] == 3.0


def test_shards_of_two_processes_are_joined(monkeypatch, random_coco):
    """Each process sees half of the images, the second of them one twice (a padded sampler)."""
    whole = inference_on_dataset(
        lambda batch: [{"instances": random_coco.outputs[item["image_id"]]} for item in batch],
        [[{"image_id": image_id}] for image_id in random_coco.outputs],
        COCOEvaluator(random_coco.dataset),
    )
    ids = list(random_coco.outputs)
    shards = []
    evaluators = []
    for part in (ids[::2], [*ids[1::2], ids[0]], []):
        evaluators.append(COCOEvaluator(random_coco.dataset))
        for image_id in part:
            output = {"instances": random_coco.outputs[image_id]}
            evaluators[-1].process([{"image_id": image_id}], [output])
    module = "aligndetr.distributed"
    monkeypatch.setattr(f"{module}.all_gather_object", lambda x: shards.append(x) or [x])
    monkeypatch.setattr(f"{module}.is_main", lambda: False)
    assert [evaluator.evaluate() for evaluator in evaluators] == [{}, {}, {}]
    monkeypatch.setattr(f"{module}.all_gather_object", lambda x: shards)
    monkeypatch.setattr(f"{module}.is_main", lambda: True)
    torch.testing.assert_close(evaluators[0].evaluate(), whole, equal_nan=True)
