"""What a training records, kept where they are until somebody looks at them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aligndetr.distributed import all_reduce_sum, world_size

_storages: list[EventStorage] = []


def get_event_storage() -> EventStorage:
    """The storage of the training that runs now.

    Raises:
        RuntimeError: none runs.
    """
    if not _storages:
        raise RuntimeError("there is no event storage: get_event_storage() needs a running Trainer")
    return _storages[-1]


class EventStorage:
    """Scalars by name and iteration; as a context manager it is what `get_event_storage` returns.

    Tensors stay on their device until `flush`, which moves all of them in one transfer, so that a
    step never waits for the device only to be recorded.

    Args:
        start_iter: the first iteration.
        window: values over which a smoothed scalar is averaged.

    Attributes:
        iter: the present iteration; whoever runs the loop sets it.
        pictures: ((H, W, 3) uint8 RGB, its iteration) by name, until writers have seen them; no
            checkpoint keeps them.
    """

    def __init__(self, start_iter: int = 0, window: int = 20) -> None:
        self.iter = start_iter
        self.window = window
        self._pending: list[tuple[int, tuple[str, ...], Tensor]] = []
        self._histories: dict[str, deque[tuple[float, int]]] = {}
        self._smoothed: dict[str, bool] = {}
        self.pictures: dict[str, tuple[np.ndarray, int]] = {}

    def put_scalar(self, name: str, value: float | Tensor, smoothing: bool = True) -> None:
        """Record one number at the present iteration.

        Args:
            name: `a/b` puts it into a group `a`.
            value: a number or a tensor with one element.
            smoothing: whether writers show the average of the last values.
        """
        self.put_scalars({name: value}, smoothing)

    def put_scalars(self, values: Mapping[str, float | Tensor], smoothing: bool = True) -> None:
        """Record several numbers, see `put_scalar`."""
        tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
        if tensors:
            stacked = torch.stack(
                [value.detach().float().reshape(()) for value in tensors.values()]
            )
            self._pending.append((self.iter, tuple(tensors), stacked))
        for name, value in values.items():
            self._smoothed[name] = smoothing
            if name not in tensors:
                self._append(name, float(value), self.iter)

    def put_picture(self, name: str, pixels: np.ndarray) -> None:
        """Show an (H, W, 3) uint8 RGB picture, in the writers that can.

        Args:
            name: `a/b` puts it into a group `a`.
            pixels: of it.
        """
        self.pictures[name] = (pixels, self.iter)

    def flush(self) -> None:
        """Bring recorded tensors to the host, averaged over processes; all of them must call it."""
        if not self._pending:
            return
        device = self._pending[0][2].device
        values = torch.cat([stacked.to(device) for _, _, stacked in self._pending])
        numbers = iter((all_reduce_sum(values) / world_size()).tolist())
        for iteration, names, _ in self._pending:
            for name in names:
                self._append(name, next(numbers), iteration)
        self._pending.clear()

    def state_dict(self) -> dict[str, Any]:
        """All numbers, for `load_state_dict`; all processes must call it."""
        self.flush()
        histories = {name: list(map(list, values)) for name, values in self._histories.items()}
        return {"histories": histories, "smoothed": dict(self._smoothed)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the numbers of another storage in place of those here."""
        self._pending.clear()
        self._smoothed = {name: bool(state["smoothed"][name]) for name in state["histories"]}
        self._histories = {
            name: deque(((float(value), int(at)) for value, at in values), maxlen=self.window)
            for name, values in state["histories"].items()
        }

    def latest(self) -> dict[str, tuple[float, int]]:
        """(last value, its iteration) by name."""
        self.flush()
        return {name: history[-1] for name, history in self._histories.items()}

    def last(self, name: str) -> tuple[float | None, int | None]:
        """(last value, its iteration) of a number that was recorded as such, or Nones.

        A tensor that is not flushed yet does not count, so that asking never waits.
        """
        history = self._histories.get(name)
        return history[-1] if history else (None, None)

    def smoothed(self) -> dict[str, tuple[float, int]]:
        """(value to show, its last iteration) by name: averages where smoothing was asked for."""
        self.flush()
        return dict(self._shown())

    def _shown(self) -> Iterator[tuple[str, tuple[float, int]]]:
        for name, history in self._histories.items():
            value, iteration = history[-1]
            if self._smoothed[name]:
                value = sum(value for value, _ in history) / len(history)
            yield name, (value, iteration)

    def _append(self, name: str, value: float, iteration: int) -> None:
        history = self._histories.setdefault(name, deque(maxlen=self.window))
        history.append((value, iteration))

    def __enter__(self) -> EventStorage:
        _storages.append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        _storages.remove(self)
