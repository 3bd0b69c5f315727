"""A signal or failure in the middle of what follows a step: the resumed training makes it up."""

import json
import os
import signal

import pytest
import torch

from aligndetr.engine.checkpoint import Checkpointer, last_checkpoint
from aligndetr.engine.hooks import (
    BestCheckpointer,
    EarlyStopping,
    EMAHook,
    EvalHook,
    Hook,
    Interruption,
    ModelEMA,
    PeriodicCheckpointer,
    PeriodicWriter,
    ValidationLoss,
)
from aligndetr.engine.random_state import RandomState, seed_everything
from aligndetr.engine.run import TrainingInterrupted, train
from aligndetr.engine.trainer import Trainer
from aligndetr.engine.writers.jsonl import JSONLinesWriter
from aligndetr.evaluation import COCOEvaluator
from tests.engine.test_resume import assert_same

STEPS, PERIOD = 8, 3


class Disturbed:
    """A training whose evaluation at one iteration meets with a signal or an error."""

    def __init__(self, folder, toy_detector, loader, batches, seed=1):
        model = toy_detector(seed=seed, dropout=0.5, norm=True)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        ema = ModelEMA(model, decay=0.9)
        self.trainer = Trainer(model, loader, self.optimizer)
        parts = {"optimizer": self.optimizer, "ema": ema, "hooks": self.trainer, "loader": loader}
        self.saver = Checkpointer(model, folder, random_state=RandomState(), **parts)
        self.disturbances = {}
        self.batches = batches
        self.interruption = Interruption()
        best = BestCheckpointer(self.saver, "toy/AP")
        patience = EarlyStopping("toy/AP", 5)
        hooks = [EMAHook(ema), ValidationLoss(PERIOD, self), EvalHook(PERIOD, self.evaluate)]
        saving = PeriodicCheckpointer(self.saver, 0)
        writing = PeriodicWriter([JSONLinesWriter(folder / "metrics.json")], 2)
        self.trainer.register_hooks([*hooks, best, patience, writing, saving, self.interruption])
        seed_everything(seed)

    def __iter__(self):
        for batch in self.batches:
            self.meet("validation")
            yield batch

    def evaluate(self, last):
        self.meet("evaluation")
        return {"toy": {"AP": -float(self.trainer.model.out.bias.detach().square().sum())}}

    def meet(self, place):
        self.disturbances.pop((place, self.trainer.iter), lambda: None)()

    def resume(self, folder):
        return self.saver.load(last_checkpoint(folder))["iteration"] + 1


def terminated():
    os.kill(os.getpid(), signal.SIGTERM)


def failed():
    raise OSError("the disk is gone")


@pytest.fixture
def make(toy_detector, toy_loader, make_item, tmp_path):
    def training(name, seed=1):
        batches = [[make_item(50, 2)], [make_item(51, 1)]]
        (tmp_path / name).mkdir(exist_ok=True)
        return Disturbed(tmp_path / name, toy_detector, toy_loader(), batches, seed)

    return training


def left(folder):
    """(final checkpoint, best checkpoint, lines of metrics) of a run."""
    lines = [json.loads(line) for line in (folder / "metrics.json").read_text().splitlines()]
    metrics = [{name: v for name, v in line.items() if name != "data_time"} for line in lines]
    return *(torch.load(folder / f"model_{name}.pth") for name in ("final", "best")), metrics


@pytest.mark.parametrize("iteration", [2, STEPS - 1])
@pytest.mark.parametrize("place", ["validation", "evaluation"])
def test_what_a_signal_cuts_short_is_made_up(make, tmp_path, place, iteration):
    make("whole").trainer.train(0, STEPS)

    cut = make("part")
    cut.disturbances[place, iteration] = terminated
    cut.trainer.train(0, STEPS)
    assert cut.interruption.exit_code == 143
    assert cut.trainer.completed == iteration + 1

    resumed = make("part", seed=77)
    resumed.trainer.train(resumed.resume(tmp_path / "part"), STEPS)
    whole, part = left(tmp_path / "whole"), left(tmp_path / "part")
    assert_same(whole, part)
    # evaluated after 2, 5 and 7; every second step has a line
    assert [line["iteration"] for line in part[2] if "toy/AP" in line] == [3, 5, 7]


def test_a_second_signal_while_it_is_made_up_leaves_it_owed(make, tmp_path):
    make("whole").trainer.train(0, STEPS)
    for seed in (1, 77):
        cut = make("part", seed)
        cut.disturbances["evaluation", 5] = terminated
        start = cut.resume(tmp_path / "part") if seed == 77 else 0
        cut.trainer.train(start, STEPS)
        assert cut.trainer.completed == 6
    resumed = make("part", seed=78)
    resumed.trainer.train(resumed.resume(tmp_path / "part"), STEPS)
    assert_same(left(tmp_path / "whole"), left(tmp_path / "part"))


def test_what_a_failure_prevented_is_made_up(make, tmp_path):
    make("whole").trainer.train(0, STEPS)
    broken = make("part")
    broken.disturbances["evaluation", 5] = failed
    with pytest.raises(OSError, match="disk"):
        broken.trainer.train(0, STEPS)
    resumed = make("part", seed=77)
    resumed.trainer.train(resumed.resume(tmp_path / "part"), STEPS)
    assert_same(left(tmp_path / "whole"), left(tmp_path / "part"))


def test_a_line_that_was_written_before_a_failure_stays(make, tmp_path):
    class Fails(Hook):
        def after_step(self):
            if self.trainer.iter == 5:
                failed()

    make("whole").trainer.train(0, STEPS)
    broken = make("part")
    broken.trainer.register_hooks([Fails()])  # behind the writer
    with pytest.raises(OSError, match="disk"):
        broken.trainer.train(0, STEPS)
    resumed = make("part", seed=77)
    resumed.trainer.train(resumed.resume(tmp_path / "part"), STEPS)
    assert_same(left(tmp_path / "whole"), left(tmp_path / "part"))


def test_a_best_checkpoint_that_could_not_be_written_is_made_up(make, tmp_path, monkeypatch):
    make("whole").trainer.train(0, STEPS)
    broken = make("part")
    save = broken.saver.save

    def full(name, *arguments, **options):
        if name == "model_best":
            failed()
        return save(name, *arguments, **options)

    monkeypatch.setattr(broken.saver, "save", full)
    with pytest.raises(OSError, match="disk"):
        broken.trainer.train(0, STEPS)
    resumed = make("part", seed=77)
    resumed.trainer.train(resumed.resume(tmp_path / "part"), STEPS)
    assert_same(left(tmp_path / "whole"), left(tmp_path / "part"))


def test_a_signal_before_an_evaluation_cuts_it_too(make, tmp_path):
    class InTheStep(Hook):
        def after_backward(self):
            if self.trainer.iter == 5:
                terminated()

    cut = make("part")
    cut.disturbances["validation", 5] = cut.disturbances["evaluation", 5] = pytest.fail
    cut.trainer.register_hooks([InTheStep()])
    cut.trainer.train(0, STEPS)
    assert cut.trainer.completed == 6


@pytest.mark.parametrize(
    "owed",
    [
        None,
        {"hooks": ["EvalHook"]},
        {"hooks": 7, "events": {"histories": {}, "smoothed": {}}},
        {"hooks": [], "events": {"histories": {"a": [1]}, "smoothed": {"a": 1}}},
        {"hooks": [], "events": {"histories": {"a": [[1, 2]]}, "smoothed": {}}},
    ],
)
def test_what_is_owed_is_read_before_anything_is_done(make, owed):
    with pytest.raises((KeyError, TypeError, ValueError)):
        make("part").trainer.load_state_dict({"owed": owed})


def test_a_hook_that_is_new_is_not_owed_what_came_before_it(make, tmp_path):
    cut = make("part")
    cut.disturbances["evaluation", 2] = terminated
    cut.trainer.train(0, STEPS)
    resumed = make("part", seed=77)
    new = EMAHook(ModelEMA(resumed.trainer.model))
    resumed.trainer.register_hooks([new])
    resumed.trainer.train(resumed.resume(tmp_path / "part"), STEPS)
    assert new.ema.updates == STEPS - 3


def test_what_is_owed_belongs_to_the_step_before(make, tmp_path):
    """Said once, by the checkpoint's iteration: two numbers could differ."""
    cut = make("part")
    cut.disturbances["evaluation", 2] = terminated
    cut.trainer.train(0, STEPS)
    content = torch.load(last_checkpoint(tmp_path / "part"))
    assert content["iteration"] == 2
    assert content["hooks"]["owed"].keys() == {"hooks", "events"}
    resumed = make("part", seed=77)
    completed = resumed.resume(tmp_path / "part")
    assert (completed, resumed.trainer.first_iter(completed)) == (3, 2)
    resumed.trainer.owed = {}
    assert resumed.trainer.first_iter(completed) == 3


def test_a_training_from_the_beginning_owes_nothing(make, tmp_path):
    trainer = make("part").trainer
    trainer.owed = {"hooks": ["EvalHook"]}
    trainer.train(0, 2)
    assert trainer.start_iter == 0


def test_a_run_that_is_cut_in_its_last_evaluation_ends_like_any_other(
    tiny_config, tmp_path, monkeypatch
):
    config = tiny_config("train.max_iter=2")
    monkeypatch.setattr(COCOEvaluator, "process", lambda *arguments: terminated())
    with pytest.raises(TrainingInterrupted, match="after 2 of 2 iterations"):
        train(config)
    assert not (tmp_path / "run" / "results.json").exists()
    monkeypatch.undo()
    results = train(config, resume=True)
    assert "AP" in results["bbox"]
    lines = (tmp_path / "run" / "metrics.json").read_text().splitlines()
    assert [("bbox/AP" in json.loads(line)) for line in lines] == [False, True]
    assert torch.load(tmp_path / "run" / "model_final.pth")["hooks"].keys() == {"BestCheckpointer"}
