"""The learning rate follows its schedule."""

from __future__ import annotations

from torch.optim import lr_scheduler

from aligndetr.engine.hooks.base import Hook


class LRScheduler(Hook):
    """Records `lr`, that of the group with most parameters, and steps a torch scheduler.

    Args:
        scheduler: counts iterations.
    """

    def __init__(self, scheduler: lr_scheduler.LRScheduler) -> None:
        self.scheduler = scheduler
        groups = scheduler.optimizer.param_groups
        self._group = max(groups, key=lambda group: sum(p.numel() for p in group["params"]))

    def after_step(self) -> None:
        """Record the rate that the step used and set that of the next one."""
        self.trainer.storage.put_scalar("lr", self._group["lr"], smoothing=False)
        self.scheduler.step()
