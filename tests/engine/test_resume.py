"""N steps are k steps, a stop of whatever kind, and N - k steps after resuming: to the last bit."""

import json

import pytest
import torch

from aligndetr.engine.checkpoint import Checkpointer, last_checkpoint
from aligndetr.engine.hooks import EMAHook, LRScheduler, ModelEMA, PeriodicCheckpointer
from aligndetr.engine.lr_schedule import LRMultiplier, OneCycleParamScheduler
from aligndetr.engine.random_state import RandomState, seed_everything
from aligndetr.engine.run import train
from aligndetr.engine.trainer import Trainer

STEPS = 12


def toy_training(toy_detector, loader, folder, seed, period=5):
    model = toy_detector(seed=seed, dropout=0.5, norm=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scheduler = LRMultiplier(optimizer, OneCycleParamScheduler(), STEPS)
    ema = ModelEMA(model, decay=0.9, warmup=4)
    trainer = Trainer(model, loader, optimizer, accumulation_steps=2)
    parts = {"optimizer": optimizer, "scheduler": scheduler, "ema": ema, "hooks": trainer}
    parts |= {"loader": loader, "random_state": RandomState()}
    saver = Checkpointer(model, folder, **parts)
    hooks = [EMAHook(ema), LRScheduler(scheduler), PeriodicCheckpointer(saver, period)]
    trainer.register_hooks(hooks)
    seed_everything(seed)
    return trainer, saver


def assert_same(first, second):
    """Two nested states of tensors and plain values are equal."""
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_same(first[key], second[key])
    elif isinstance(first, list | tuple):
        assert len(first) == len(second)
        for a, b in zip(first, second, strict=True):
            assert_same(a, b)
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second)
    else:
        assert first == second


@pytest.mark.parametrize("fail_at", [10, 13, 14, 23])
def test_a_toy_training_is_continued_bit_by_bit(toy_detector, toy_loader, tmp_path, fail_at):
    whole, _ = toy_training(toy_detector, toy_loader(), tmp_path / "whole", seed=1)
    whole.train(0, STEPS)

    # the loader fails at its fail_at-th batch, two of which make a step
    broken, _ = toy_training(toy_detector, toy_loader(fail_at=fail_at), tmp_path / "part", seed=1)
    with pytest.raises(OSError, match="disk"):
        broken.train(0, STEPS)

    resumed, saver = toy_training(toy_detector, toy_loader(), tmp_path / "part", seed=77)
    last = last_checkpoint(tmp_path / "part")
    # a failure within a step also costs the step's first batch; then go back one checkpoint
    if fail_at % 2:
        last = tmp_path / "part" / f"model_{(fail_at // 2) // 5 * 5 - 1:07d}.pth"
    start = saver.load(last)["iteration"] + 1
    assert 0 < start < STEPS
    resumed.train(start, STEPS)
    first, second = (torch.load(tmp_path / name / "model_final.pth") for name in ("whole", "part"))
    assert_same(first, second)


@pytest.fixture
def finished(tiny_config, tmp_path):
    """The final checkpoint of a run of the real model in a folder of its own."""
    ema = ("train.model_ema.enabled=true", "train.model_ema.decay=0.9", "train.max_iter=4")

    def run(name, *overrides, resume=False):
        output = f"train.output_dir={tmp_path / name}"
        train(tiny_config(*ema, output, *overrides), resume=resume)
        return torch.load(tmp_path / name / "model_final.pth", weights_only=True)

    return run


def test_the_real_model_is_continued_bit_by_bit(finished, tmp_path, monkeypatch):
    whole = finished("whole")

    run_step = Trainer.run_step

    def killed(trainer):
        if trainer.iter == 2:
            raise SystemExit("killed")
        run_step(trainer)

    monkeypatch.setattr(Trainer, "run_step", killed)
    with pytest.raises(SystemExit):
        finished("part")
    monkeypatch.undo()
    assert not (tmp_path / "part" / "model_final.pth").exists()
    part = finished("part", resume=True)

    assert whole.pop("config") != part.pop("config")  # another output_dir
    assert_same(whole, part)
    metrics = (tmp_path / "part" / "metrics.json").read_text().splitlines()
    assert [json.loads(line)["iteration"] for line in metrics] == [0, 1, 2, 3]


def test_settings_come_from_the_config_and_state_from_the_checkpoint(finished, tmp_path):
    finished("run", "train.max_iter=2", "train.fast_dev_run.enabled=false")
    longer = finished("run", "train.max_iter=3", "optimizer.weight_decay=0.25", resume=True)
    assert longer["iteration"] == 2
    assert longer["scheduler"] == {"iteration": 3}
    groups = longer["optimizer"]["param_groups"]
    assert {group["weight_decay"] for group in groups} == {0.0, 0.25}


def test_a_finished_training_is_only_evaluated(finished, tmp_path, capsys):
    finished("run", "train.max_iter=1")
    before = (tmp_path / "run" / "model_final.pth").read_bytes()
    capsys.readouterr()
    finished("run", "train.max_iter=1", resume=True)
    assert (tmp_path / "run" / "model_final.pth").read_bytes() == before
    assert capsys.readouterr().out.splitlines()[-1].startswith("bbox AP ")
