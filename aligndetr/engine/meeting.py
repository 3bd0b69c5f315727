"""Processes that were started together find each other in a store that outlives them."""

from __future__ import annotations

import os
import time
from datetime import timedelta

import torch.distributed as dist

from aligndetr.errors import some

_OF_AGENT = "TORCHELASTIC_USE_AGENT_STORE"
_LOOK_S = 0.02


def store_of_torchrun(timeout: timedelta) -> dist.Store | None:
    """Where the processes of this start meet under torchrun; None under other launchers.

    Its store lives as long as torchrun, and what processes wrote there before they were started
    again leads those that come next to addresses where nobody listens (pytorch issue 135712):
    every start gets a part of its own.

    Args:
        timeout: how long processes wait for each other.

    Raises:
        dist.DistError: some process did not come, or the store is gone.
    """
    if os.environ.get(_OF_AGENT) != "True":
        return None
    place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = dist.TCPStore(*place, None, False, timeout=timeout)
    return own_part(store, int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), timeout)


def own_part(store: dist.Store, index: int, count: int, timeout: timedelta) -> dist.Store:
    """What processes that come now see of a store, and those that came before did not.

    Args:
        store: that all processes see.
        index, count: this process and how many there are.
        timeout: how long the first waits for the others.

    Raises:
        dist.DistError: some process did not come.
    """
    meeting = dist.PrefixStore("meeting", store)
    name = _open(meeting, count, timeout) if index == 0 else _join(meeting, index)
    return dist.PrefixStore(name, store)


def _join(store: dist.Store, index: int) -> str:
    """The name of the meeting: the answer to a ticket that nobody had before."""
    ticket = store.add("tickets", 1)
    store.set(f"ticket of {index}", str(ticket))
    name = store.get(f"name for {ticket}").decode()
    store.set(_came(name, index), "")
    return name


def _open(store: dist.Store, count: int, timeout: timedelta) -> str:
    """The name of a new meeting, once all have it; old tickets are answered, too, to nobody."""
    name = os.urandom(8).hex()
    missing = set(range(1, count))
    deadline = time.monotonic() + timeout.total_seconds()
    while missing:
        if time.monotonic() > deadline:
            raise dist.DistStoreError(f"process {some(sorted(missing))} did not come")
        for index in missing:
            if store.check([f"ticket of {index}"]):
                store.set(f"name for {store.get(f'ticket of {index}').decode()}", name)
        missing = {index for index in missing if not store.check([_came(name, index)])}
        time.sleep(_LOOK_S)
    return name


def _came(name: str, index: int) -> str:
    return f"{name}: {index} came"
