"""All kinds of faults, and their cases in a fixed order."""

import itertools
import random
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import (
    annotations,
    checkpoints,
    disturbed,
    images,
    overrides,
    python_configs,
    yaml_configs,
)

KINDS = {
    "annotations": annotations.cases,
    "images": images.cases,
    "checkpoints": checkpoints.cases,
    "yaml configs": yaml_configs.cases,
    "py configs": python_configs.cases,
    "overrides": overrides.cases,
    "signals": disturbed.signals,
    "full disks": disturbed.full_disks,
    "kill points": disturbed.kills,
}
# Disturbed runs take several times as long as a command that reads one input.
SHARES = {"signals": 0.15, "full disks": 0.15, "kill points": 0.6}


@dataclass
class Tally:
    """What came of the cases of one kind."""

    cases: int = 0
    faults: Counter = field(default_factory=Counter)
    examples: list = field(default_factory=list)


def cases_of(kind, bench, seed):
    """The cases of a kind, the same for the same seed; they may not end."""
    return KINDS[kind](bench, random.Random(f"{seed} {kind}"))


def run_cases(kind, bench, seed, count, deadline=float("inf")):
    """Look at the first cases of a kind, fewer if time is up; of disturbed runs at `SHARES`."""
    tally, count = Tally(), max(1, round(count * SHARES.get(kind, 1)))
    for case in itertools.islice(cases_of(kind, bench, seed), count):
        if time.monotonic() > deadline:
            break
        tally.cases += 1
        for problem in problems_of(case, bench):
            tally.faults[problem.fault] += 1
            tally.examples.append(f"{kind}: {case.name}: {problem.fault}: {problem.text}")
    return tally


def problems_of(case, bench):
    """What is wrong with the end of a case, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(dir=bench.folder.parent))
    try:
        return list(case.problems(bench, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
