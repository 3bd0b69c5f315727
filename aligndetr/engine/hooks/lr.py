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
        sizes = [sum(p.numel() for p in g["params"]) for g in scheduler.optimizer.param_groups]
        self._largest = sizes.index(max(sizes))

    def after_step(self) -> None:
        """Record the rate that the step used and set that of the next one."""
        rate = self.scheduler.optimizer.param_groups[self._largest]["lr"]
        self.trainer.storage.put_scalar("lr", rate, smoothing=False)
        self.scheduler.step()
