import pytest
import torch
from fvcore.common.param_scheduler import LinearParamScheduler, MultiStepParamScheduler

from aligndetr.engine.lr_schedule import (
    LRMultiplier,
    OneCycleParamScheduler,
    WarmupParamScheduler,
)
from aligndetr.errors import ConfigError


def make_optimizer(*rates):
    return torch.optim.SGD([{"params": [torch.zeros(1)], "lr": rate} for rate in rates])


def follow(scheduler, steps):
    rates = []
    for _ in range(steps):
        rates.append([group["lr"] for group in scheduler.optimizer.param_groups])
        scheduler.optimizer.step()
        scheduler.step()
    return rates


def test_milestones_in_epochs_fall_on_the_published_iteration():
    # 12 epochs of 7500 iterations: 11 / 12 of 90000 is 82500
    schedule = WarmupParamScheduler(MultiStepParamScheduler(values=[1.0, 0.1], milestones=[11, 12]))
    assert schedule(82499 / 90000) == 1.0
    assert schedule(82500 / 90000) == 0.1
    assert schedule(0.0) == 1.0


def test_warmup_rises_linearly_to_where_the_schedule_is():
    # the schedule falls from 1 to 0, so at 0.2 it is 0.8; the warm-up starts at 0.5 * 1
    schedule = WarmupParamScheduler(LinearParamScheduler(1.0, 0.0), 0.5, 0.2)
    assert schedule(0.0) == 0.5
    assert schedule(0.1) == pytest.approx(0.65)  # halfway between 0.5 and 0.8
    assert schedule(0.2) == pytest.approx(0.8)
    assert schedule(0.6) == pytest.approx(0.4)


def test_constant_warmup_stays_at_its_start():
    schedule = WarmupParamScheduler(LinearParamScheduler(1.0, 0.0), 0.25, 0.5, "constant")
    assert [schedule(0.0), schedule(0.4)] == [0.25, 0.25]


def test_one_cycle_rises_to_one_and_falls_as_a_cosine():
    schedule = OneCycleParamScheduler(rise=0.2, start_factor=0.1, end_factor=0.0)
    assert schedule(0.0) == pytest.approx(0.1)
    assert schedule(0.1) == pytest.approx(0.55)  # halfway between 0.1 and 1
    assert schedule(0.2) == pytest.approx(1.0)
    assert schedule(0.6) == pytest.approx(0.5)  # halfway down
    assert schedule(1.0) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("length", [-0.1, 1.0, 500])
def test_a_warmup_longer_than_the_training_is_refused(length):
    with pytest.raises(ConfigError, match="part of the training"):
        WarmupParamScheduler(LinearParamScheduler(1, 0), warmup_length=length)


def test_an_unknown_warmup_method_is_refused():
    with pytest.raises(ConfigError, match="'linear' or 'constant'"):
        WarmupParamScheduler(LinearParamScheduler(1, 0), warmup_method="cosine")


def test_each_group_follows_the_schedule_at_its_own_rate():
    scheduler = LRMultiplier(make_optimizer(1.0, 0.1), LinearParamScheduler(1.0, 0.0), 4)
    expected = [[1.0, 0.1], [0.75, 0.075], [0.5, 0.05], [0.25, 0.025]]
    assert follow(scheduler, 4) == [pytest.approx(rates) for rates in expected]


def test_a_restored_scheduler_goes_on_with_the_configured_rates():
    def make():
        return LRMultiplier(make_optimizer(1.0), LinearParamScheduler(1.0, 0.0), 10)

    whole = follow(make(), 10)
    first = make()
    head = follow(first, 4)
    second = make()
    second.load_state_dict(first.state_dict())
    assert head + follow(second, 6) == whole
    faster = LRMultiplier(make_optimizer(3.0), LinearParamScheduler(1.0, 0.0), 10)
    faster.load_state_dict(first.state_dict())
    assert follow(faster, 1) == [[pytest.approx(3 * 0.6)]]
