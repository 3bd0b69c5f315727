"""`eta_seconds`, on a clock that only the test moves."""

import types

import pytest

from aligndetr.engine.events import EventStorage
from aligndetr.engine.hooks import time_left
from aligndetr.engine.hooks.time_left import TimeLeft

START, STEP, EVALUATION, CHECKPOINT = 100.0, 2.0, 30.0, 10.0


@pytest.fixture
def follow(monkeypatch):
    """Run a training of which only time passes; yields what was recorded after each iteration."""
    now = [0.0]
    monkeypatch.setattr(time_left.time, "perf_counter", lambda: now[0])

    def run(eval_period, checkpoint_period, max_iter, start_iter=0, step=lambda i: STEP):
        storage = EventStorage(start_iter)
        trainer = types.SimpleNamespace(storage=storage, start_iter=start_iter, max_iter=max_iter)
        hook = TimeLeft(eval_period, checkpoint_period)
        hook.trainer = trainer
        hook.before_train()
        found = {}
        for iteration in range(start_iter, max_iter):
            storage.iter = trainer.iter = iteration
            now[0] += step(iteration) + (START if iteration == start_iter else 0)
            due = eval_period and (iteration + 1) % eval_period == 0
            if eval_period is not None and (due or iteration + 1 == max_iter):
                now[0] += EVALUATION
            hook.after_step()
            found[iteration + 1] = {name: value for name, (value, _) in storage.latest().items()}
            if checkpoint_period and (iteration + 1) % checkpoint_period == 0:
                now[0] += CHECKPOINT
        return found

    return run


def test_steps_evaluations_and_checkpoints_to_come_are_counted(follow):
    found = follow(eval_period=10, checkpoint_period=8, max_iter=35)
    assert found[1] == {}  # the first iteration prepares, it tells nothing
    # 30 steps; evaluations after 10, 20, 30 and 35, and no idea how long they take
    assert found[5] == {"eta_seconds": 60.0, "evaluations_left": 4.0}
    # 25 steps, 3 evaluations (20, 30, 35), 4 checkpoints (16, 24, 32, 35)
    expected = 25 * STEP + 3 * EVALUATION + 4 * CHECKPOINT
    assert found[10] == {
        "eta_seconds": pytest.approx(expected),
        "evaluations_left": 3.0,
        "eval_seconds": pytest.approx(EVALUATION),
    }
    # the checkpoint after step 32 is still to be written when that is recorded: 32, 35
    assert found[32]["eta_seconds"] == pytest.approx(3 * STEP + EVALUATION + 2 * CHECKPOINT)
    assert found[35]["eta_seconds"] == pytest.approx(CHECKPOINT)  # the last one


def test_a_slow_step_moves_it_little(follow):
    steps = follow(None, 0, 500, step=lambda i: STEP + 40 * (i == 200))
    # 300 of 201 timed steps of 2 s, one with 40 s more
    assert steps[201]["eta_seconds"] == pytest.approx(299 * (STEP + 40 / 200))
    assert "evaluations_left" not in steps[201]


def test_a_machine_that_became_slower_is_believed_in_time(follow):
    steps = follow(0, 0, 3000, step=lambda i: 1.0 if i < 1000 else 3.0)
    assert steps[2000]["eta_seconds"] == 1000 * 3.0  # of the last 1000 only


def test_every_step_may_be_evaluated(follow):
    found = follow(1, 0, 6)
    assert found[3]["eta_seconds"] == pytest.approx(3 * (STEP + EVALUATION))


def test_a_resumed_training_counts_from_where_it_is(follow):
    found = follow(10, 0, 35, start_iter=15)
    # 15 steps to come after 20; 20 was evaluated, 30 and 35 will be
    assert found[20]["eta_seconds"] == pytest.approx(15 * STEP + 2 * EVALUATION)
