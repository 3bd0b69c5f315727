import os
import random
import signal

import numpy as np
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
    IterationTimer,
    ModelEMA,
    PeriodicCheckpointer,
    PeriodicWriter,
    ValidationLoss,
)
from aligndetr.engine.random_state import RandomState, seed_everything
from aligndetr.engine.trainer import Trainer
from aligndetr.engine.writers import Writer
from aligndetr.errors import CheckpointError


@pytest.fixture
def trainer(toy_detector, toy_loader):
    model = toy_detector(norm=True, dropout=0.5)
    return Trainer(model, toy_loader(), torch.optim.SGD(model.parameters(), lr=0.01))


class Scripted:
    """Evaluates to the next of some values; remembers when."""

    def __init__(self, *values):
        self.values = list(values)
        self.calls = []

    def __call__(self, last):
        self.calls.append(last)
        return {"bbox": {"AP": self.values[len(self.calls) - 1]}}


class Iterations(Hook):
    """Remembers where `call` was called."""

    def __init__(self):
        self.at = []

    def __call__(self, last):
        self.at.append(self.trainer.iter)
        return {}


@pytest.mark.parametrize(
    "period, max_iter, expected", [(2, 5, [1, 3, 4]), (2, 4, [1, 3]), (0, 3, [2]), (9, 3, [2])]
)
def test_evaluation_comes_every_period_and_at_the_end(trainer, period, max_iter, expected):
    calls = Iterations()
    trainer.register_hooks([calls, EvalHook(period, calls)])
    trainer.train(0, max_iter)
    assert calls.at == expected


def test_an_evaluation_that_draws_numbers_changes_nothing(trainer):
    def evaluate(last):
        draw()
        return {}

    class Draws(Hook):
        def __init__(self):
            self.drawn = []

        def before_step(self):
            self.drawn.append(draw())

    draws = Draws(), Draws()
    for hook, period in zip(draws, (0, 1), strict=True):
        trainer.hooks = []
        trainer.register_hooks([EvalHook(period, evaluate), hook])
        trainer.loader = type(trainer.loader)()
        seed_everything(0)
        trainer.train(0, 3)
    assert draws[0].drawn == draws[1].drawn


def test_results_are_recorded_by_task_and_metric(trainer):
    evaluate = Scripted(1.0, 2.5)
    trainer.register_hooks([EvalHook(2, evaluate)])
    trainer.train(0, 3)
    assert evaluate.calls == [False, True]
    assert trainer.storage.latest()["bbox/AP"] == (2.5, 2)


def names(folder):
    return sorted(path.name for path in folder.glob("*.pth"))


def test_the_best_evaluation_is_kept(trainer, tmp_path):
    saver = Checkpointer(trainer.model, tmp_path)
    best = BestCheckpointer(saver, "bbox/AP")
    trainer.register_hooks([EvalHook(1, Scripted(float("nan"), 3.0, 5.0, 4.0, 5.0)), best])
    trainer.train(0, 5)
    assert (best.best, best.best_iteration) == (5.0, 2)
    assert torch.load(tmp_path / "model_best.pth")["iteration"] == 2
    assert last_checkpoint(tmp_path) is None  # the best is not what a training goes on from


def test_the_best_value_survives_a_resume(trainer, tmp_path):
    best = BestCheckpointer(Checkpointer(trainer.model, tmp_path), "bbox/AP")
    best.load_state_dict({"best": 9.0, "best_iteration": 1})
    trainer.register_hooks([EvalHook(1, Scripted(8.0)), best])
    trainer.train(2, 3)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "state",
    [
        {"best": "5", "waited": 1},
        {"best": [5.0], "waited": 1},
        {"best": True, "waited": 1},
        {"best": 5.0, "waited": "1"},
        {"best": 5.0, "waited": None},
        {"best": 5.0, "waited": -1},
        {"best": 5.0, "waited": 10**30},
    ],
)
def test_patience_remembers_numbers_only(state):
    hook = EarlyStopping("bbox/AP", patience=2)
    with pytest.raises(CheckpointError, match=r"its best value is .* no number|its waited is"):
        hook.load_state_dict(state)
    hook.load_state_dict({"best": None, "waited": 0})
    hook.load_state_dict({"best": 5, "waited": 1})
    assert hook.state_dict() == {"best": 5, "waited": 1}


def test_training_stops_when_nothing_gets_better(trainer):
    evaluate = Scripted(3.0, 5.0, 4.0, 5.0, 6.0, 7.0)
    trainer.register_hooks([EvalHook(2, evaluate), EarlyStopping("bbox/AP", patience=2)])
    trainer.train(0, 100)
    # best at the 2nd evaluation; the 4th, after 8 steps, is the 2nd without a better one; the
    # processes agree on it in the next step
    assert trainer.completed == 9
    assert "bbox/AP has not been better than 5 for 2 evaluations" in trainer.stop_reason


@pytest.mark.parametrize("nan", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_neither_the_best_nor_waited_for(trainer, tmp_path, nan):
    stopping = EarlyStopping("bbox/AP", patience=2)
    best = BestCheckpointer(Checkpointer(trainer.model, tmp_path), "bbox/AP")
    values = [nan, nan, nan, 1.0, nan, 2.0, nan, nan, 1.0]
    trainer.register_hooks([EvalHook(1, Scripted(*values)), best, stopping])
    trainer.train(0, len(values))
    assert trainer.stop_reason is None
    assert (stopping.best, stopping.waited) == (2.0, 1)
    assert (best.best, best.best_iteration) == (2.0, 5)


@pytest.mark.parametrize("make", [BestCheckpointer, EarlyStopping])
@pytest.mark.parametrize("best", [float("nan"), float("inf")])
def test_a_best_value_that_is_no_number_gives_way_to_the_first(trainer, tmp_path, make, best):
    first = Checkpointer(trainer.model, tmp_path), "bbox/AP"
    hook = make(*first) if make is BestCheckpointer else make("bbox/AP", patience=1)
    # version 0.1 saved this after a first evaluation without objects
    hook.load_state_dict({"best": best, "best_iteration": 0, "waited": 0})
    trainer.register_hooks([EvalHook(1, Scripted(3.0)), hook])
    trainer.train(1, 2)
    assert hook.best == 3.0


def test_small_is_good_for_losses(trainer):
    stopping = EarlyStopping("bbox/AP", 1, larger_is_better=False)
    trainer.register_hooks([EvalHook(1, Scripted(3.0, 2.0, 2.5, 0.0)), stopping])
    trainer.train(0, 4)
    assert trainer.stop_reason
    assert stopping.best == 0.0


def test_checkpoints_come_every_period_and_at_the_end(trainer, tmp_path):
    saver = Checkpointer(trainer.model, tmp_path)
    trainer.register_hooks([PeriodicCheckpointer(saver, 2)])
    trainer.train(0, 6)
    assert names(tmp_path) == ["model_0000001.pth", "model_0000003.pth", "model_final.pth"]
    assert torch.load(tmp_path / "model_final.pth")["iteration"] == 5
    assert last_checkpoint(tmp_path).name == "model_final.pth"


class FailAt(Hook):
    def __init__(self, moment, iteration, error=RuntimeError):
        self.iteration = iteration
        self.error = error
        setattr(self, moment, self.fail)

    def fail(self):
        if self.trainer.iter == self.iteration:
            raise self.error("broken")


@pytest.mark.parametrize("moment, saved", [("after_backward", 3), ("after_step", 4)])
def test_a_failure_loses_no_finished_step(trainer, tmp_path, moment, saved):
    saver = Checkpointer(trainer.model, tmp_path)
    trainer.register_hooks([FailAt(moment, 4), PeriodicCheckpointer(saver, 3)])
    with pytest.raises(RuntimeError, match="broken"):
        trainer.train(0, 10)
    assert names(tmp_path) == ["model_0000002.pth", f"model_{saved:07d}.pth"]
    assert torch.load(last_checkpoint(tmp_path))["iteration"] == saved


def test_an_abort_writes_nothing(trainer, tmp_path):
    saver = Checkpointer(trainer.model, tmp_path)
    hooks = [FailAt("after_step", 1, KeyboardInterrupt), PeriodicCheckpointer(saver, 0)]
    trainer.register_hooks(hooks)
    with pytest.raises(KeyboardInterrupt):
        trainer.train(0, 10)
    assert names(tmp_path) == []


class SignalAt(Hook):
    def __init__(self, iteration, *numbers):
        self.iteration = iteration
        self.numbers = numbers

    def before_step(self):
        if self.trainer.iter == self.iteration:
            for number in self.numbers:
                os.kill(os.getpid(), number)


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_after_the_step(trainer, tmp_path, number, code):
    before = signal.getsignal(number)
    saver, interruption = Checkpointer(trainer.model, tmp_path), Interruption()
    saving = PeriodicCheckpointer(saver, 0)
    trainer.register_hooks([SignalAt(3, number), saving, interruption])
    trainer.train(0, 100)
    assert interruption.exit_code == code
    assert names(tmp_path) == ["model_0000003.pth"]
    assert signal.getsignal(number) is before


def test_a_second_interrupt_aborts_at_once(trainer):
    trainer.register_hooks([SignalAt(3, signal.SIGINT, signal.SIGINT), Interruption()])
    with pytest.raises(KeyboardInterrupt):
        trainer.train(0, 100)
    assert trainer.completed == 3


def test_a_signal_cuts_an_evaluation_short(trainer, tmp_path):
    def evaluate(last):
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("went on evaluating")

    saving = PeriodicCheckpointer(Checkpointer(trainer.model, tmp_path), 0)
    trainer.register_hooks([EvalHook(2, evaluate), saving, Interruption()])
    trainer.train(0, 100)
    assert trainer.storage.last("bbox/AP") == (None, None)
    assert trainer.completed == 2
    assert names(tmp_path) == ["model_0000001.pth"]


def test_the_average_is_updated_with_each_step(trainer):
    ema = ModelEMA(trainer.model, decay=0.5)
    expected = ema.module.out.bias.clone()

    class Follow(Hook):
        def after_step(self):
            expected.mul_(0.5).add_(0.5 * self.trainer.model.out.bias.detach())

    trainer.register_hooks([EMAHook(ema), Follow()])
    trainer.train(0, 4)
    torch.testing.assert_close(ema.module.out.bias, expected)
    assert ema.updates == 4


def test_validation_loss_changes_nothing_in_the_training(toy_detector, toy_loader, make_item):
    batches = [[make_item(50, 2), make_item(51, 0)], [make_item(52, 3)]]

    def run(*hooks):
        seed_everything(3)
        model = toy_detector(norm=True, dropout=0.5)
        trainer = Trainer(model, toy_loader(), torch.optim.SGD(model.parameters(), lr=0.01))
        trainer.register_hooks(hooks)
        trainer.train(0, 4)
        return trainer

    plain, validated = run(), run(ValidationLoss(2, batches))
    for name, value in plain.model.state_dict().items():
        assert torch.equal(value, validated.model.state_dict()[name]), name
    model = validated.model
    assert model.dropout.training
    # by hand: evaluation mode, each batch divided by its own objects, averaged over 2 batches
    model.eval()
    model.training = True
    expected = sum(sum(model(batch).values()).item() for batch in batches) / 2
    value, iteration = validated.storage.latest()["validation_loss"]
    assert value == pytest.approx(expected, rel=1e-5)
    assert iteration == 3
    assert "validation/loss_bbox" in validated.storage.latest()


class Memory(Writer):
    def __init__(self):
        self.iterations = []
        self.closed = False

    def write(self, storage, iteration):
        self.iterations.append((iteration, storage.smoothed()["total_loss"][1]))

    def close(self):
        self.closed = True


def test_writers_get_every_period_the_end_and_the_last_of_an_early_end(trainer):
    memory = Memory()
    trainer.register_hooks([SignalAt(6, signal.SIGTERM), PeriodicWriter([memory], 3)])
    trainer.register_hooks([Interruption()])
    trainer.train(0, 100)
    assert memory.iterations == [(2, 2), (5, 5), (6, 6)]
    assert memory.closed


def test_time_is_recorded(trainer, caplog):
    trainer.register_hooks([IterationTimer(batch_size=4, warmup=1)])
    with caplog.at_level("INFO", logger="aligndetr"):
        trainer.train(0, 3)
    recorded = {name: value for name, (value, _) in trainer.storage.smoothed().items()}
    assert recorded["time"] > 0
    assert recorded["images_per_second"] == pytest.approx(4 / recorded["time"])
    assert caplog.messages[-1].startswith("3 iterations in")


def draw():
    return [random.random(), np.random.rand(), np.random.randn(), torch.rand(1).item()]


def test_random_generators_go_on_where_they_were(tmp_path):
    seed_everything(1)
    np.random.randn()  # numpy keeps the second of a pair of normal numbers
    torch.save(RandomState().state_dict(), tmp_path / "state.pth")
    expected = draw()
    seed_everything(2)
    RandomState().load_state_dict(torch.load(tmp_path / "state.pth", weights_only=True))
    assert draw() == expected
