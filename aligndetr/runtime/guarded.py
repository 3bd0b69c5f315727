"""A command-line action whose errors are sentences where a user can act on them."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable

from .errors import UserError

BROKEN_PIPE, INTERRUPTED, USER_ERROR, FAILED = 141, 130, 2, 1
BUG = (
    "this is a bug of aligndetr: please report it in the project's issue tracker, with the lines "
    "above, the command, and what `aligndetr doctor --env` prints"
)


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


def _format_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    return f"warning: {message}\n"
