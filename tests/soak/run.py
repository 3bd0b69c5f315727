"""A long run that is disturbed again and again, and one of the same length that is not."""

import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.faults.bench import Bench, final_state
from tests.faults.disturbed import FILLED_BY, damaged, fill, kill, send, tear
from tests.faults.moments import PLACES, Moments
from tests.faults.oracle import judge
from tests.soak.resources import growth

BROKEN = ("3.png", "7.png")  # of ten images
LIMIT = 3600.0  # seconds that a part of the run may take


class SlowDisk:
    """A strike that makes writing slow, and after some writes ends the run by SIGTERM."""

    def __init__(self, seconds=0.02, writes=40):
        self._seconds, self._left = seconds, writes

    def __call__(self, name, half):
        if name in FILLED_BY:
            time.sleep(self._seconds)
            self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGTERM)


@dataclass(frozen=True)
class Strike:
    """What happens at a moment of `place`; `make` makes the function, `codes` are right then."""

    make: Callable
    place: str
    once: bool
    codes: tuple[int, ...]


STRIKES = {
    "kill -9": Strike(lambda: kill, "hooks", True, (137,)),
    "kill -9 in a write": Strike(lambda: tear, "files", True, (137,)),
    "SIGTERM": Strike(lambda: send(signal.SIGTERM), "hooks", True, (143,)),
    "full disk": Strike(lambda: fill, "files", False, (2,)),
    "full disk for a moment": Strike(lambda: fill, "files", True, (2,)),
    "slow disk, then SIGTERM": Strike(SlowDisk, "files", False, (143,)),
}


@dataclass
class Soaked:
    """What came of it.

    Attributes:
        disturbances: how often each kind struck.
        problems: sentences; none is as it should be.
        held: (early, late) of what the undisturbed run held, see `growth`.
    """

    disturbances: Counter = field(default_factory=Counter)
    problems: list = field(default_factory=list)
    held: dict = field(default_factory=dict)


def soak(folder, iterations, disturbances, seed=0, workers=0):
    """Train twice for so many iterations, in `folder`; the second time with disturbances."""
    bench, result, rng = Bench(folder / "bench"), Soaked(), random.Random(seed)
    step = bench.count("hooks") // 4  # calls of hooks in one of the toy config's steps
    reach = {"hooks": step * iterations // disturbances, "files": bench.count("files")}
    for name in BROKEN:
        path = bench.data / name
        path.write_bytes(path.read_bytes()[:60])
    words = ["train", *bench.config(*overrides(iterations, disturbances, workers))]
    whole, soaked = folder / "whole", folder / "soaked"
    whole.mkdir()
    soaked.mkdir()
    outcome = bench.run(words, whole, limit=LIMIT)
    assert outcome.code == 0, outcome.output
    result.held = growth(whole)
    kinds = list(itertools.islice(itertools.cycle(STRIKES), disturbances))
    rng.shuffle(kinds)
    for kind in [*kinds, None]:
        strike = STRIKES.get(kind)
        at = rng.randrange(reach[strike.place]) if strike else 0
        if _part(bench, words, soaked, strike, at, result.problems) == 0:
            break
        result.disturbances[kind] += 1
        words = [*words, "--resume"] if words[-1] != "--resume" else words
    result.problems += _compared(whole / "run", soaked / "run")
    return result


def overrides(iterations, disturbances, workers):
    """Of the toy config: with checkpoints between disturbances, or `kill -9` would undo all."""
    return [
        f"train.max_iter={iterations}",
        f"train.eval_period={iterations // 4}",
        f"train.checkpointer.period={max(1, iterations // disturbances // 4)}",
        "train.log_period=1",  # a run that stops writes a line wherever that is
        f"dataloader.train.num_workers={workers}",
        "+dataloader.train.mapper.skip_broken_images=true",
        "+dataloader.test.mapper.skip_broken_images=true",
        "train.report.enabled=false",
        "train.hooks=[{_target_: tests.soak.resources.Resources}]",
    ]


def _part(bench, words, folder, strike, at, problems):
    """The exit code of a run that is struck at a moment; what is wrong is added to the problems."""

    def before():
        if strike:
            PLACES[strike.place](Moments(strike.make(), at, strike.once))

    outcome = bench.run(words, folder, before, LIMIT)
    codes = (0, *(strike.codes if strike else ()))
    found = [*judge(outcome, ["run"], codes), *damaged(folder)]
    problems += [f"{problem.fault}: {problem.text[-300:]}" for problem in found]
    return outcome.code


def _compared(whole, soaked):
    """Names of files that differ."""
    expected, found = final_state(whole), final_state(soaked)
    names = [name for name in expected if expected[name] != found[name]]
    left = {path.name for path in soaked.iterdir()} - {path.name for path in whole.iterdir()}
    left = [name for name in left if not name.startswith("events.out.")]  # one a start
    return [f"{name} differs" for name in names] + [f"{name} is left over" for name in left]
