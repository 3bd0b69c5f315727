"""What is looked at beside a training: stability of matching, pictures."""

import io
import json
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from aligndetr.engine.events import EventStorage
from aligndetr.engine.hooks import Hook, MatchingStability, PeriodicWriter, Pictures
from aligndetr.engine.run import train
from aligndetr.engine.trainer import Trainer
from aligndetr.engine.writers import TensorBoardWriter, WandbWriter, Writer
from aligndetr.errors import CheckpointError, ConfigError, UserError
from aligndetr.explanation import matching
from aligndetr.explanation.matching import Matching

DOCS = Path(__file__).parents[2] / "docs" / "training.md"


def scene(shade):
    return np.random.default_rng(shade).integers(0, 256, (12, 20, 3), dtype=np.uint8)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_shows_the_same_pixels(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    storage, writer = EventStorage(), TensorBoardWriter(tmp_path)
    writer.start(0, 10)
    for iteration in (3, 7):
        storage.iter = iteration
        storage.put_picture("predictions/5", scene(iteration))
        writer.write(storage, iteration)
    writer.close()
    events = accumulator.EventAccumulator(str(tmp_path)).Reload().Images("predictions/5")
    assert [event.step for event in events] == [3, 7]
    for event in events:
        shown = np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))
        np.testing.assert_array_equal(shown, scene(event.step))  # PNG loses nothing


def test_wandb_gets_pictures_beside_numbers(monkeypatch):
    sent = []
    run = types.SimpleNamespace(log=lambda values, step: sent.append((step, values)))
    stand_in = types.ModuleType("wandb")
    stand_in.__spec__ = types.SimpleNamespace()
    stand_in.init, stand_in.Image = lambda **_: run, lambda pixels: ("image", pixels.shape)
    monkeypatch.setitem(sys.modules, "wandb", stand_in)
    storage, writer = EventStorage(), WandbWriter({}, {})
    writer.start(0, 10)
    storage.iter = 4
    storage.put_scalar("loss", 2.0)
    storage.put_picture("matches/1", scene(0))
    writer.write(storage, 4)
    assert sent == [(4, {"loss": 2.0, "matches/1": ("image", (12, 20, 3))})]


def test_the_writer_of_the_docs_gets_both(monkeypatch):
    """docs/training.md shows how another tracker is added."""
    sent = []
    stand_in = types.ModuleType("mlflow")
    stand_in.start_run = lambda: sent.append("start")
    stand_in.end_run = lambda: sent.append("end")
    stand_in.log_metric = lambda name, value, step: sent.append((name, value, step))
    stand_in.log_image = lambda pixels, file: sent.append((file, pixels.shape))
    monkeypatch.setitem(sys.modules, "mlflow", stand_in)
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(next(block for block in blocks if "class MLflowWriter" in block), names)
    storage, writer = EventStorage(), names["MLflowWriter"]()
    writer.start(0, 10)
    storage.iter = 4
    storage.put_scalar("alignment/recall@1", 90.0)
    storage.put_picture("matches/1", scene(0))
    writer.write(storage, 5)
    writer.close()
    expected = [
        "start",
        ("alignment/recall_at_1", 90.0, 4),
        ("matches/1/4.png", (12, 20, 3)),
        "end",
    ]
    assert sent == expected


class Seen(Writer):
    def __init__(self):
        self.found = []

    def write(self, storage, iteration):
        self.found.append((iteration, sorted(storage.pictures)))


def test_a_picture_is_written_once(toy_detector, toy_loader):
    class Draw(Hook):
        def after_step(self):
            if self.trainer.iter == 1:
                self.trainer.storage.put_picture("a/b", scene(0))

    first, second = Seen(), Seen()
    model = toy_detector()
    trainer = Trainer(model, toy_loader(), torch.optim.SGD(model.parameters(), lr=0.01))
    trainer.register_hooks([Draw(), PeriodicWriter([first, second], 2)])
    trainer.train(0, 4)
    assert first.found == second.found == [(1, ["a/b"]), (3, [])]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_run_looks_and_is_not_changed_by_it(tiny_config, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    common = ("train.max_iter=4", "train.eval_period=1", "train.best.metric=bbox/AP")
    plain, looked = tmp_path / "plain", tmp_path / "looked"
    train(tiny_config(*common, f"train.output_dir={plain}"))
    train(
        tiny_config(
            *common,
            f"train.output_dir={looked}",
            "train.matching_stability.enabled=true",
            "train.matching_stability.images=6",
            "train.pictures.every=3",
            "train.pictures.images=2",
        )
    )
    weights = [
        torch.load(f / "model_final.pth", weights_only=True)["model"] for f in (plain, looked)
    ]
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name

    lines = [json.loads(line) for line in (looked / "metrics.json").read_text().splitlines()]
    assert all(0 <= line["matching/layer_1"] <= 100 for line in lines)  # k = 2, then k = 1
    assert ["matching/since_last" in line for line in lines] == [False, True, True, True]
    events = accumulator.EventAccumulator(str(looked)).Reload()
    assert sorted(events.Tags()["images"]) == [
        "matches/0", "matches/1", "predictions/0", "predictions/1",
    ]  # fmt: skip
    assert [event.step for event in events.Images("matches/1")] == [2, 3]  # the third, the last
    sizes = [(event.width, event.height) for event in events.Images("predictions/1")]
    assert sizes[0] == sizes[1]
    assert sizes[0][0] > 2 * 480  # two pictures of 64 x 48, enlarged to 512 x 384


def stability(monkeypatch, steps):
    """A hook over a model whose matching is told, and its trainer."""
    told = iter(steps)
    monkeypatch.setattr("aligndetr.engine.hooks.matching.match_objects", lambda *_: next(told))
    hook = MatchingStability(2, [], 5)
    hook.trainer = types.SimpleNamespace(
        storage=EventStorage(), iter=0, max_iter=6, model=nn.Identity()
    )
    return hook


def matched(*queries):
    objects = np.array([[7, 0], [7, 1], [9, 0], [9, 1]])
    layers = [np.stack([np.arange(4), row], axis=1) for row in queries]
    return Matching(objects, [f"layer {i + 1}" for i in range(len(layers))], layers)


def test_figures_of_a_training_by_hand(monkeypatch):
    hook = stability(
        monkeypatch, [matched([0, 1, 2, 3], [0, 1, 2, 9]), matched([5, 1, 2, 3], [0, 4, 6, 9])]
    )
    hook.after_step()  # step 1 is not evaluated
    assert hook.trainer.storage.latest() == {}
    hook.trainer.iter = hook.trainer.storage.iter = 1
    hook.after_step()
    assert hook.trainer.storage.latest() == {"matching/layer_2": (25.0, 1)}  # 3 became 9
    hook.trainer.iter = hook.trainer.storage.iter = 3
    again = stability(monkeypatch, [matched([5, 1, 2, 3], [0, 4, 6, 9])])
    again.trainer = hook.trainer
    again.load_state_dict(hook.state_dict())  # as a resumed training does
    again.after_step()
    latest = again.trainer.storage.latest()
    assert latest["matching/layer_2"] == (100.0, 3)
    assert latest["matching/since_last"] == (50.0, 3)  # 1 -> 4, 2 -> 6 of four


def test_a_model_that_matches_nothing_is_refused_before_its_first_step(toy_detector, toy_loader):
    model = toy_detector()
    trainer = Trainer(model, toy_loader(), torch.optim.SGD(model.parameters(), lr=0.01))
    trainer.register_hooks([MatchingStability(1, [])])
    with pytest.raises(UserError, match="a ToyDetector matches no queries"):
        trainer.train(0, 2)
    assert trainer.completed == 0


@pytest.mark.parametrize("state", [{}, {"objects": torch.zeros(3, 2)}, {"objects": 1, "pairs": 2}])
def test_a_broken_memory_is_refused(state):
    with pytest.raises(CheckpointError, match="no table of two columns"):
        MatchingStability(1, []).load_state_dict(state)


@pytest.mark.parametrize(
    "override, message",
    [
        ("train.pictures.every=-1", r"train\.pictures\.every=-1 must be a positive number"),
        ("train.pictures.every=often", "needs an integer"),
        ("train.matching_stability.images=0", r"images=0 must be a positive number"),
        ("dataloader.evaluator=null", "nothing is evaluated that could be drawn"),
    ],
)
def test_wrong_numbers_are_named_before_the_training(tiny_config, override, message):
    enabled = ("train.matching_stability.enabled=true", "train.pictures.every=1")
    with pytest.raises(ConfigError, match=message):
        train(tiny_config(*enabled, override))


def test_pictures_are_of_the_first_images_only():
    assert [len(b) for b in matching.first_images([[1, 2], [3, 4], [5]], 3)] == [2, 2]
    hook = Pictures(5, 3, nn.Identity(), [])
    assert hook.period == 15
