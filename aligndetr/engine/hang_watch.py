"""Noticing that a process does not come to what all do together, and saying where it is instead."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import torch.distributed as dist

from aligndetr.distributed import Attendance, attendance, broadcast_object, rank, world_size
from aligndetr.engine.watch import LOST_CONTACT
from aligndetr.errors import some

logger = logging.getLogger(__name__)

ANSWER_S = 15.0  # for all to say where they are
MOST_STACKS, MOST_FRAMES = 8, 15
_LOOK_S = 1.0
_ASKED, _TOLD = "asked", "told"


@dataclass(frozen=True)
class Whereabouts:
    """Where a process is: its `Attendance` as `count` and `name`, its machine, its stack."""

    count: int
    name: str
    host: str
    stack: str


class HangWatch:
    """A thread that ends all processes when they have waited too long for one.

    Only a process that waits can tell that something is wrong. It asks all for their whereabouts;
    the threads answer, whatever their main threads do. Those that have come to fewer common
    points than others are the ones that did not come.

    Args:
        store: that all processes see; nobody else uses its keys.
        timeout: seconds that processes wait for each other.
        own: how far this process is.
        index, count: this process and how many there are.
        end: called at the end, in the thread.
    """

    def __init__(
        self,
        store: dist.Store,
        timeout: float,
        own: Attendance,
        index: int,
        count: int,
        end: Callable[[], None],
    ) -> None:
        self._store = store
        self._timeout = timeout
        self._own = own
        self._index = index
        self._count = count
        self._end = end
        self._main = threading.main_thread().ident or 0  # it has one, as it runs
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="hang watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        try:
            while not self._stopped.wait(_LOOK_S):
                asks = self._waits_too_long() and self._store.add("claims", 1) == 1
                if asks:
                    self._store.set(_ASKED, "")
                if asks or self._store.check([_ASKED]):
                    self._answer()
                    self._tell() if asks else self._wait_for([_TOLD], 2 * ANSWER_S)
                    self._end()
                    return
        except dist.DistError:
            return  # the process that holds the store is gone, which others report

    def _waits_too_long(self) -> bool:
        since = self._own.since
        patience = self._timeout + (_LOOK_S * 2 if self._index else 0)  # the main process first
        return since is not None and time.monotonic() - since > patience

    def _answer(self) -> None:
        frame = sys._current_frames()[self._main]
        stack = "".join(traceback.format_stack(frame)[-MOST_FRAMES:])
        here = Whereabouts(self._own.count, self._own.name, socket.gethostname(), stack)
        self._store.set(str(self._index), json.dumps(asdict(here)))

    def _tell(self) -> None:
        keys = [str(index) for index in range(self._count)]
        self._wait_for(keys, ANSWER_S)
        known = {
            int(key): Whereabouts(**json.loads(self._store.get(key)))
            for key in keys
            if self._store.check([key])
        }
        logger.error("%s", describe_hang(known, self._count, self._timeout))
        self._store.set(_TOLD, "")

    def _wait_for(self, keys: list[str], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._store.check(keys) and time.monotonic() < deadline:
            time.sleep(0.1)


def describe_hang(known: Mapping[int, Whereabouts], count: int, timeout: float) -> str:
    """Which process did not come, and where it is.

    Args:
        known: by index of a process; those that do not answer are missing.
        count: how many processes there are.
        timeout: how long it was waited, in seconds.
    """
    first = max(known.values(), key=lambda place: place.count)
    silent = [index for index in range(count) if index not in known]
    behind = [index for index, place in known.items() if place.count < first.count]
    stacks = behind or ([] if silent else list(known))
    lines = [f"the processes have waited {timeout:g} s at {first.name}; all of them end"]
    if silent:
        lines.append(
            f"no answer from process {some(silent)}: killed, stopped, or its machine is lost"
        )
    if behind:
        lines.append(f"process {some(behind)} did not come")
    elif not silent:
        lines.append("all of them came there, and none goes on")
    for index in stacks[:MOST_STACKS]:
        place = known[index]
        lines.append(f"process {index} on {place.host}, after {place.name}, is at\n{place.stack}")
    return "\n".join(line.rstrip() for line in lines)


@contextmanager
def hang_watch(url: str, timeout: float) -> Generator[None]:
    """Watch this process and the others of its group inside the block.

    Args:
        url: where the group met: tcp://HOST:PORT, or env:// as torchrun has it.
        timeout: seconds that processes wait for each other.
    """
    if world_size() == 1 or urlsplit(url).scheme not in ("tcp", "env"):
        yield
        return
    name = broadcast_object(os.urandom(8).hex())  # torchrun's store outlives a group of processes
    store = dist.PrefixStore(f"hang watch {name}", _store_at(url))
    watch = HangWatch(store, timeout, attendance, rank(), world_size(), _end_process)
    watch.start()
    try:
        yield
    finally:
        watch.stop()


def _store_at(url: str) -> dist.Store:
    """A connection of its own: one that the main thread waits on is of no use."""
    place = urlsplit(url)
    host = place.hostname or os.environ["MASTER_ADDR"]
    port = place.port or int(os.environ["MASTER_PORT"])
    return dist.TCPStore(host, port, None, False, timeout=timedelta(seconds=ANSWER_S))


def _end_process() -> None:
    """The main thread waits in a library, where no exception reaches it."""
    sys.stderr.flush()
    os._exit(LOST_CONTACT)
