"""Learning rate schedules as functions of progress, and the scheduler that follows them."""

from __future__ import annotations

import math

from fvcore.common.param_scheduler import ParamScheduler
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from aligndetr.engine.checkpoint import stored_count
from aligndetr.errors import ConfigError


class WarmupParamScheduler(ParamScheduler):
    """A schedule whose first part is a warm-up.

    Progress runs from 0 to 1 over the training, so that one schedule serves any length; fvcore's
    `MultiStepParamScheduler(values=[1, 0.1], milestones=[11, 12])` reads as "12 epochs, decay after
    11". The warm-up ends at the value that the schedule has there.

    Args:
        scheduler: the schedule without warm-up.
        warmup_factor: the first value, as a fraction of the schedule's first.
        warmup_length: the part of the training that is warm-up, in [0, 1).
        warmup_method: "linear", or "constant": stay at the first value.

    Raises:
        ConfigError: a length outside [0, 1) or an unknown method.
    """

    def __init__(
        self,
        scheduler: ParamScheduler,
        warmup_factor: float = 0.001,
        warmup_length: float = 0.0,
        warmup_method: str = "linear",
    ) -> None:
        if not 0 <= warmup_length < 1:
            raise ConfigError(
                f"warmup_length={warmup_length} must be in [0, 1): it is a part of the training, "
                "not a number of iterations"
            )
        if warmup_method not in ("linear", "constant"):
            raise ConfigError(f"warmup_method={warmup_method!r}: choose 'linear' or 'constant'")
        self.scheduler = scheduler
        self.warmup_length = warmup_length
        self.start = warmup_factor * scheduler(0.0)
        self.end = scheduler(warmup_length) if warmup_method == "linear" else self.start

    def __call__(self, where: float) -> float:
        """Value at progress `where` in [0, 1]."""
        if where + self.WHERE_EPSILON > self.warmup_length:
            return self.scheduler(where)
        return self.start + (self.end - self.start) * where / self.warmup_length


class OneCycleParamScheduler(ParamScheduler):
    """Linear rise to 1, then a cosine down to almost 0: for short trainings from scratch.

    Args:
        rise: the part of the training in which the value rises, in (0, 1).
        start_factor: the first value.
        end_factor: the last value.
    """

    def __init__(
        self, rise: float = 0.1, start_factor: float = 0.04, end_factor: float = 0.001
    ) -> None:
        if not 0 < rise < 1:
            raise ConfigError(f"rise={rise} must be between 0 and 1: it is a part of the training")
        self.rise, self.start_factor, self.end_factor = rise, start_factor, end_factor

    def __call__(self, where: float) -> float:
        """Value at progress `where` in [0, 1]."""
        if where < self.rise:
            return self.start_factor + (1 - self.start_factor) * where / self.rise
        fall = (where - self.rise) / (1 - self.rise)
        return self.end_factor + (1 - self.end_factor) * 0.5 * (1 + math.cos(math.pi * fall))


class LRMultiplier(LRScheduler):
    """Multiplies the optimizer's learning rates by a schedule of iteration / max_iter.

    A resumed training takes only the iteration from the checkpoint: learning rates, schedule and
    length are those of the configuration.

    Args:
        optimizer: its present learning rates are what the multiplier refers to.
        multiplier: function of progress.
        max_iter: length of the training.
    """

    def __init__(self, optimizer: Optimizer, multiplier: ParamScheduler, max_iter: int) -> None:
        self.multiplier = multiplier
        self.max_iter = max_iter
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        """Learning rates of the groups at the present iteration."""
        # after the last step there is no next one; some schedules reject progress of 1
        where = min(self.last_epoch, self.max_iter - 1) / self.max_iter
        factor = self.multiplier(where)
        return [base * factor for base in self.base_lrs]

    def state_dict(self) -> dict[str, int]:
        """The iteration, all that a schedule remembers."""
        return {"iteration": self.last_epoch}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go to the iteration of a checkpoint and set the learning rates that belong to it."""
        self.last_epoch = self._step_count = stored_count(state_dict, "iteration")
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = lr
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]
