"""The command line: `aligndetr COMMAND ...`.

Each command lives in `aligndetr/commands/<name>.py` as `add_arguments(parser)` and
`run(args) -> int` and is imported only when it is used, so that help stays instant.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from aligndetr import __version__
from aligndetr.errors import UserError
from aligndetr.runtime.guarded import guarded

COMMANDS = {
    "train": "train a config and evaluate the result",
    "eval": "evaluate a checkpoint",
    "submit": "train on a Slurm cluster, as a job that goes on by itself",
    "init": "write a config file of one's own for a dataset",
    "plan": "predict memory and time of a training; fit it into less",
    "overfit": "check that a model can learn one batch, or say which part cannot",
    "predict": "detect objects in images and draw them",
    "export": "write a model for other runtimes, and prove the file",
    "benchmark": "latency, images a second, memory: configs, exported files",
    "inspect": "draw matched queries and sampling points, layer by layer",
    "walk": "one forward step by step: shapes, ranges, time, memory",
    "configs": "list the configs that come with the package",
    "config": "print a resolved config and what set each value",
    "doctor": "check a dataset or the environment before training",
    "zoo": "published weights by name: sources, figures, hashes",
    "convert": "convert a checkpoint between toolboxes",
    "convert-data": "write a dataset as COCO, YOLO or Pascal VOC; divide it",
    "shard": "write a dataset as tar shards, for data larger than a disk",
    "analyze": "errors, thresholds, calibration of stored predictions",
    "stability": "how much matching and results move: layers, padding",
    "watch": "follow a run in the terminal",
    "report": "one page that shows a run, or several: curves, errors, images",
    "runs": "list runs and their figures, or where a loss comes from",
    "compare": "compare runs of several methods over their seeds",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the words after the program's name; None takes them from the command line.

    Returns:
        the exit status, see `guarded`.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    return guarded(lambda: _dispatch(words))


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if words[0] == "--version":
        print(f"aligndetr {__version__}")
        return 0
    name = words[0]
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(COMMANDS)}"
        raise UserError(f"no command {name!r}; {hint}")
    command = load_command(name)
    parser = argparse.ArgumentParser(
        prog=f"aligndetr {name}",
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    return command.run(parser.parse_intermixed_args(words[1:]))


def load_command(name: str) -> ModuleType:
    """The module of a command, such as `convert_data` for convert-data."""
    return importlib.import_module(f"aligndetr.commands.{name.replace('-', '_')}")


def _overview() -> str:
    lines = [f"  {name:<12} {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: aligndetr COMMAND ...",
            "",
            *lines,
            "",
            "aligndetr COMMAND --help says more; aligndetr --version prints the version.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
