"""The command line: `aligndetr COMMAND ...`.

Each command lives in `aligndetr/commands/<name>.py` as `add_arguments(parser)` and
`run(args) -> int` and is imported only when it is used, so that help stays instant.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from types import ModuleType

from aligndetr import __version__
from aligndetr.errors import UserError

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
BROKEN_PIPE, INTERRUPTED, USER_ERROR, FAILED = 141, 130, 2, 1
BUG = (
    "this is a bug of aligndetr: please report it in the project's issue tracker, with the lines "
    "above, the command, and what `aligndetr doctor --env` prints"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the words after the program's name; None takes them from the command line.

    Returns:
        the exit status, see `guarded`.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    return guarded(lambda: _dispatch(words))


def guarded(action: Callable[[], int]) -> int:
    """Run a command-line action; what a user can act on is printed without a traceback.

    Returns:
        the action's status; 2 after a `UserError` or one of omegaconf's, 1 with a traceback after
        any other error (all are raised on if ALIGNDETR_TRACEBACK is set), 130 after Ctrl-C, 141
        when the reader of the output has gone.
    """
    format_before = warnings.formatwarning
    # replacing it is its documented use, its type is that of the one function that stands there
    warnings.formatwarning = _format_warning  # ty: ignore[invalid-assignment]
    try:
        status = action()
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout again at exit; give it somewhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        if os.environ.get("ALIGNDETR_TRACEBACK"):
            raise
        return _report(error)
    finally:
        warnings.formatwarning = format_before


def _report(error: Exception) -> int:
    """Print an error; the exit status."""
    if isinstance(error, UserError):
        print(f"error: {error}", file=sys.stderr)
    elif type(error).__module__.startswith("omegaconf."):  # not imported where it is not needed
        reason = str(error).splitlines()[0]
        key = getattr(error, "full_key", None) or "values"
        print(f"error: the config's {key}: {reason}", file=sys.stderr)
    else:
        traceback.print_exception(error)
        print(BUG, file=sys.stderr)
        return FAILED
    return USER_ERROR


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


def _format_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    return f"warning: {message}\n"


if __name__ == "__main__":
    sys.exit(main())
