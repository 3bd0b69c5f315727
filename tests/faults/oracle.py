"""The one oracle: what must hold of every command, whatever happened to it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.bench import final_state

TRACEBACK, HANG, EXECUTION = "traceback", "hang", "execution"
LOSS, SENTENCE, DIFFERENCE = "loss", "sentence", "difference"
FAULTS = (TRACEBACK, HANG, EXECUTION, LOSS, SENTENCE, DIFFERENCE)
MARKER = "EXECUTED"  # what hostile inputs would leave in the working folder
ERROR = re.compile(r"^(\[process \d+\] |aligndetr \w+: )?error: ", re.MULTILINE)
LONGEST = 3000  # characters of an error


@dataclass(frozen=True)
class Problem:
    """One of `FAULTS`, and what shows it."""

    fault: str
    text: str


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong, and how to look at what comes of it.

    Attributes:
        name: the same for the same seed.
        problems: (bench, empty folder) -> what is not as it must be.
    """

    name: str
    problems: Callable[..., Sequence[Problem]]


def judge(outcome, named, codes=(0, 1, 2)):
    """What is wrong with the end of a command.

    Args:
        outcome: of the command.
        named: text that the sentence of an error must hold, in one of these forms.
        codes: exit codes that are right.
    """
    output = outcome.output
    if outcome.code is None:
        yield Problem(HANG, output[-300:])
    elif "Traceback (most recent call last)" in output or outcome.code not in codes:
        yield Problem(TRACEBACK, f"exit code {outcome.code}: {output[-1500:]}")
    elif outcome.code in (1, 2):
        yield from _judge_sentence(output, named, outcome.code)


def _judge_sentence(output, named, code):
    errors = [found.end() for found in ERROR.finditer(output)]
    text = output[errors[0] :] if code == 2 and errors else output
    if code == 2 and len(errors) != 1:
        yield Problem(SENTENCE, f"{len(errors)} errors: {output[-500:]}")
    elif not any(str(name) in text for name in named):
        yield Problem(SENTENCE, f"{' or '.join(map(str, named))} is not named: {text[:500]}")
    elif code == 2 and len(text) > LONGEST:
        yield Problem(SENTENCE, f"{len(text)} characters: {text[:500]}")


def judge_folder(folder: Path, before: dict, after: dict):
    """What is wrong with the files.

    Args:
        folder: in which the command worked.
        before: digests of all that must stay as it is, by path.
        after: digests of all that is there now.
    """
    if (folder / MARKER).exists():
        yield Problem(EXECUTION, f"{folder / MARKER} was made")
    for path, digest in before.items():
        if after.get(path) != digest:
            yield Problem(LOSS, f"{path} was changed or removed")
    for path in after:
        if path.name.endswith(".part"):
            yield Problem(LOSS, f"{path} was left behind")


def judge_end(run, whole, outcome):
    """What is wrong with what a run left.

    Args:
        run: its folder.
        whole: digests of what an undisturbed run left, see `tests.faults.bench.final_state`.
        outcome: of the last command.
    """
    end = final_state(run)
    differing = [name for name, digest in whole.items() if end[name] != digest]
    if differing:
        yield Problem(DIFFERENCE, f"{', '.join(differing)} differ: {outcome.output[-1500:]}")
