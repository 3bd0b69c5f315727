"""The random generators of a process: seeding, saving and restoring them."""

from __future__ import annotations

import logging
import random
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from aligndetr.distributed import all_gather_object, broadcast_object, rank

logger = logging.getLogger(__name__)


def choose_seed(seed: int | None) -> int:
    """The seed itself; for None or a negative number a random one, the same on all processes."""
    if seed is None or seed < 0:
        seed = secrets.randbits(31)
    return broadcast_object(seed)


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch on every device."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


class RandomState:
    """All generators of all processes, as plain numbers and tensors for a checkpoint."""

    def state_dict(self) -> dict[str, Any]:
        """States by rank; every process must call it."""
        return {"ranks": all_gather_object(process_state())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore this process's generators.

        When the number of processes changed there are not states for all; the others go on with
        the seed they have, and a warning says so.
        """
        states = state_dict["ranks"]
        if rank() < len(states):
            _restore_process(states[rank()])
        else:
            logger.warning("the checkpoint has no random state for process %d", rank())


@contextmanager
def undisturbed() -> Generator[None]:
    """After the block this process's generators are as they were before it."""
    state = process_state()
    try:
        yield
    finally:
        _restore_process(state)


def process_state() -> dict[str, Any]:
    """States of the generators of this process, as plain numbers and tensors."""
    state: Any = np.random.get_state()
    name, keys, position, has_gauss, cached = state
    version, internal, gauss = random.getstate()
    cuda = torch.cuda.is_available() and torch.cuda.is_initialized()
    return {
        "python": [version, list(internal), gauss],
        "numpy": [name, keys.tolist(), int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if cuda else None,
    }


def _restore_process(state: dict[str, Any]) -> None:
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
