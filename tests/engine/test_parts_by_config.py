"""Hooks, writers and evaluators that a config adds to a run."""

import importlib
import json
import sys

import pytest

from aligndetr.config import LazyCall as L
from aligndetr.config import LazyConfig
from aligndetr.engine.hooks import Hook
from aligndetr.engine.run import train
from aligndetr.engine.trainer import Trainer

MY_PARTS = r'''
from aligndetr.engine.hooks import Hook
from aligndetr.engine.writers import Writer
from aligndetr.evaluation import DatasetEvaluator


class CountObjects(Hook):
    """Records and remembers a number; two of its kind count on their own."""

    def __init__(self, name, step=1):
        self.name, self.step, self.count = name, step, 0

    def after_step(self):
        self.count += self.step
        self.trainer.storage.put_scalar(self.name, self.count, smoothing=False)

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state_dict):
        self.count = state_dict["count"]


class TextWriter(Writer):
    def __init__(self, path):
        self.path = path

    def write(self, storage, iteration):
        with open(self.path, "a") as file:
            file.write(f"{iteration} {sorted(self.news(storage, iteration))}\n")


class CountDetections(DatasetEvaluator):
    def __init__(self, dataset, task="count"):
        self.dataset, self.task = dataset, task

    def reset(self):
        self.images = 0

    def process(self, inputs, outputs):
        assert len(self.dataset) == 10  # the dataset itself, not its description
        self.images += len(outputs)

    def evaluate(self):
        return {self.task: {"images": float(self.images)}}
'''


@pytest.fixture
def parts(monkeypatch, tmp_path):
    """A module of a user's own, which the saved config names."""
    (tmp_path / "my_parts.py").write_text(MY_PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("my_parts")
    del sys.modules["my_parts"]


def with_parts(config, parts, tmp_path):
    config.train.hooks = [
        L(parts.CountObjects)(name="first"),
        L(parts.CountObjects)(name="second", step=10),
    ]
    config.train.writers = [L(parts.TextWriter)(path=f"{tmp_path}/text")]
    description = config.dataloader.test.dataset
    config.dataloader.evaluator = [
        config.dataloader.evaluator,
        L(parts.CountDetections)(dataset=description),
    ]
    config.dataloader.evaluator[0].dataset = description
    return config


def test_parts_of_a_config_take_part_in_the_run(parts, tiny_config, tmp_path):
    results = train(with_parts(tiny_config(), parts, tmp_path))
    assert results["count"] == {"images": 10.0}
    assert "AP" in results["bbox"]
    lines = (tmp_path / "run" / "metrics.json").read_text().splitlines()
    assert [json.loads(line)["second"] for line in lines] == [10, 20, 30]
    assert json.loads(lines[-1])["count/images"] == 10
    text = (tmp_path / "text").read_text().splitlines()
    assert [line.split()[0] for line in text] == ["0", "1", "2"]
    assert "'count/images'" in text[-1]
    assert "'count/images'" not in text[0]


def test_the_saved_config_has_them_and_each_is_resumed(parts, tiny_config, tmp_path):
    config = with_parts(tiny_config(), parts, tmp_path)
    register = Trainer.register_hooks
    with pytest.MonkeyPatch.context() as patch:
        stop = StopAfter(1)
        patch.setattr(Trainer, "register_hooks", lambda self, hooks: register(self, [*hooks, stop]))
        train(config)
    saved = LazyConfig.load(tmp_path / "run" / "config.yaml")
    assert saved.train.hooks[1] == {
        "_target_": "my_parts.CountObjects",
        "name": "second",
        "step": 10,
    }
    train(saved, resume=True)
    last = json.loads((tmp_path / "run" / "metrics.json").read_text().splitlines()[-1])
    assert (last["iteration"], last["first"], last["second"]) == (2, 3, 30)


class StopAfter(Hook):
    def __init__(self, iteration):
        self.iteration = iteration

    def before_step(self):
        if self.trainer.iter == self.iteration:
            self.trainer.stop("enough")
