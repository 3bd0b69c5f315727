"""Which process makes all others wait, because it waits for its images."""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence

from aligndetr.distributed import all_gather_object, is_main, world_size
from aligndetr.engine.hooks.base import Hook, is_due

logger = logging.getLogger(__name__)

NOTABLE = 0.2  # of the time, more than the process that waits least


class LoaderWaits(Hook):
    """Compares how long processes wait for their loaders; a slow one is named, once.

    A step takes as long as that of the slowest process, so its waiting is everyone's. One that is
    slow in two comparisons in a row is named. Records `slowest_data_time`, seconds a step. Register
    it after the `IterationTimer`.

    Args:
        period: steps between comparisons.
    """

    def __init__(self, period: int) -> None:
        self.period = period
        self._waited = self._passed = 0.0
        self._steps = 0
        self._slow: set[int] = set()
        self._told: set[int] = set()

    def after_step(self) -> None:
        """Add up, and compare when it is time."""
        storage = self.trainer.storage
        self._waited += storage.last("data_time")[0] or 0.0
        self._passed += storage.last("time")[0] or 0.0
        self._steps += 1
        if world_size() > 1 and is_due(self.trainer.iter, self.period):
            self._compare()
            self._waited = self._passed = 0.0
            self._steps = 0

    def _compare(self) -> None:
        share = self._waited / self._passed if self._passed else 0.0
        own = share, self._waited / self._steps, socket.gethostname()
        shares, seconds, hosts = zip(*all_gather_object(own), strict=True)
        self.trainer.storage.put_scalar("slowest_data_time", max(seconds), smoothing=False)
        slow = set(slow_loaders(shares))
        new = (slow & self._slow) - self._told
        if new and is_main():
            logger.warning("%s", describe(sorted(new), shares, hosts))
        self._slow = slow
        self._told |= new


def slow_loaders(shares: Sequence[float]) -> list[int]:
    """Processes that wait much more than others.

    Args:
        shares: by process, the part of the time that it waits for its loader, 0 to 1.
    """
    return [index for index, share in enumerate(shares) if share - min(shares) > NOTABLE]


def describe(slow: Sequence[int], shares: Sequence[float], hosts: Sequence[str]) -> str:
    """A sentence about them, the slowest first; `hosts` are the machines by process."""
    worst = sorted(slow, key=lambda index: -shares[index])[:4]
    who = ", ".join(
        f"process {index} on {hosts[index]} waits for its loader {100 * shares[index]:.0f} % of "
        "the time"
        for index in worst
    )
    more = f" and {len(slow) - len(worst)} more do" if len(slow) > len(worst) else ""
    return (
        f"{who}{more}, others {100 * min(shares):.0f} %: all wait for the slowest; look at that "
        "machine's disk and cores, or raise dataloader.train.num_workers"
    )
