"""Disturbed runs: killed, signalled, or out of disk space at a moment; resumed, they end as any."""

import ctypes
import errno
import functools
import json
import os
import signal
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass

from tests.faults.bench import snapshot
from tests.faults.child import SECONDS, in_child
from tests.faults.moments import PLACES, Moments
from tests.faults.oracle import LOSS, Case, Problem, judge, judge_end, judge_folder

FILLED_BY = {"open", "os.mkdir", "os.rename", "write", "fsync"}  # what a full disk refuses
# CLONE_NEWNS, MS_REC | MS_PRIVATE, MS_REMOUNT
NEW_MOUNTS, PRIVATE, REMOUNTED = 0x20000, 0x44000, 0x20
DISK_SIZES = (64, 96, 128, 160, 192, 256, 320, 384)  # KiB; a run needs about 400


def kill(name, half):
    """As `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def tear(name, half):
    """The same in the middle of a write."""
    if half:
        half()
    kill(name, half)


def fill(name, half):
    """No space is left."""
    if half:
        half()
    if name in FILLED_BY:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def send(number, times=1):
    """A strike by signals to the process."""

    def strike(name, half):
        for _ in range(times):
            os.kill(os.getpid(), number)

    return strike


def send_to_all(number):
    """A strike by a signal to the process and those that it started; from outside, as they see."""

    def strike(name, half):
        group, sender = os.getpgrp(), os.fork()
        if sender == 0:
            os.setpgrp()
            os.killpg(group, number)
            os._exit(0)
        os.waitpid(sender, 0)

    return strike


@dataclass(frozen=True)
class Strike:
    """What happens at a moment.

    Attributes:
        act: called at the moment, see `Moments`.
        codes: exit codes that are right.
        places: of the moments.
        once: whether later moments are not struck.
        overrides: of the run's config.
    """

    act: Callable
    codes: tuple[int, ...]
    places: Sequence[str] = tuple(PLACES)
    once: bool = True
    overrides: Sequence[str] = ()


FILES, HOOKS = ("files",), ("hooks",)
WORKERS = ("dataloader.train.num_workers=1",)
KILLS = {
    "killed": Strike(kill, (137,)),
    "killed in a write": Strike(tear, (137,), FILES),
}
FULL = {
    "full from then on": Strike(fill, (0, 2), FILES, once=False),
    "full for a moment": Strike(fill, (0, 2), FILES),
}
SIGNALS = {
    "SIGTERM": Strike(send(signal.SIGTERM), (143,)),
    "SIGINT": Strike(send(signal.SIGINT), (130,)),
    "SIGINT twice": Strike(send(signal.SIGINT, times=2), (130,)),
    "SIGTERM to all": Strike(send_to_all(signal.SIGTERM), (143,), HOOKS, overrides=WORKERS),
    "SIGINT to all": Strike(send_to_all(signal.SIGINT), (130,), HOOKS, overrides=WORKERS),
}


def kills(bench, rng):
    """Every moment once."""
    return _shuffled(bench, rng, KILLS)


def signals(bench, rng):
    """Every moment once; to a group with workers in it."""
    return _shuffled(bench, rng, SIGNALS)


def full_disks(bench, rng):
    """Full file systems where they may be made, then refusals at every moment."""
    if may_mount(bench):
        yield from (
            Case(f"disk of {size} KiB", functools.partial(_on_small_disk, size))
            for size in DISK_SIZES
        )
    yield from _shuffled(bench, rng, FULL)


def _shuffled(bench, rng, strikes):
    cases = [
        Case(f"{name} at {place} {at}", functools.partial(_problems, place, at, strike))
        for name, strike in strikes.items()
        for place in strike.places
        for at in range(bench.count(place))
    ]
    return iter(rng.sample(cases, len(cases)))


def _problems(place, at, strike, bench, folder):
    """What is wrong with a run that is struck and then resumed."""
    words = ["train", *bench.config(*strike.overrides)]
    moments = Moments(strike.act, at, strike.once)
    outcome = bench.run(words, folder, lambda: PLACES[place](moments))
    found = list(judge(outcome, ["run"], strike.codes))
    return [*found, *damaged(folder), *_resumed(bench, folder, words, strike.overrides)]


def damaged(folder):
    """Checkpoints that are not whole."""
    for path in folder.glob("run/model_*.pth"):
        if not zipfile.is_zipfile(path) or zipfile.ZipFile(path).testzip():
            yield Problem(LOSS, f"{path} is not whole")


def _resumed(bench, folder, words, overrides=()):
    outcome = bench.run([*words, "--resume"], folder)
    yield from judge(outcome, ["run"], codes=(0,))
    yield from judge_folder(folder, bench.inputs, snapshot(folder) | snapshot(bench.folder))
    if outcome.code == 0:
        yield from judge_end(folder / "run", bench.end(*overrides), outcome)


def _on_small_disk(size, bench, folder):
    """A run on a small disk, resumed when that is larger; in one process, for no other sees it."""
    (folder / "run").mkdir()
    words = ["train", *bench.config()]

    def action():
        mount_disk(folder / "run", size)
        found = list(judge(bench.run(words, folder), ["run"], (0, 2)))
        found += damaged(folder)
        mount_disk(folder / "run", 2**16, REMOUNTED)
        found += _resumed(bench, folder, words)
        (folder / "found.json").write_text(json.dumps([astuple(problem) for problem in found]))
        return 0

    outcome = in_child(action, folder, limit=3 * SECONDS)
    assert outcome.code == 0, outcome.output
    return [Problem(*fields) for fields in json.loads((folder / "found.json").read_text())]


def may_mount(bench):
    """Whether file systems can be made here."""
    return in_child(lambda: mount_disk(bench.folder, 64) or 0, bench.folder).code == 0


def mount_disk(path, size, flags=0):
    """Put a file system of `size` KiB there, which only this process and its children see."""
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={size}k".encode()
    if (
        libc.unshare(NEW_MOUNTS)
        or libc.mount(b"none", b"/", None, PRIVATE, None)
        or libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", flags, options)
    ):
        raise OSError(ctypes.get_errno(), "no file system can be made here")
