"""Hooks for trainings of several processes."""

from __future__ import annotations

from omegaconf import DictConfig

from aligndetr.distributed import world_size
from aligndetr.engine import hooks
from aligndetr.engine.plan import Plan, whole_number

PERIOD = "train.desync_guard.period"
FEWEST_STEPS = 20  # whose mean time says something of a loader


def watching_each_other(config: DictConfig, plan: Plan) -> list[hooks.Hook]:
    """The guard against drifting apart, and who waits for images; nothing for a process alone."""
    if world_size() == 1:
        return []
    guard = hooks.DesyncGuard(whole_number(config, PERIOD, 100))
    return [guard, hooks.LoaderWaits(max(plan.log_period, FEWEST_STEPS))]
