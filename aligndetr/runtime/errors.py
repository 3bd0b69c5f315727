"""Errors that a user can act on: the command line prints them without a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user gave is wrong; the message names the thing and the remedy.

    Attributes:
        of_all: whether all processes of a training raise it, so that one of them may tell it.
    """

    of_all = False

    def __str__(self) -> str:
        """The message as it is; the Python errors that some are besides would decorate it."""
        return Exception.__str__(self)


class DataError(UserError):
    """A dataset, annotation or image is missing or broken."""


class PixelsError(DataError, ValueError):
    """What is given as an image has another shape or type than images have."""


class ExportError(UserError):
    """A model, or a part of it, cannot be exported, or an exported file cannot be used."""


def some(names: Iterable[object], most: int = 5) -> str:
    """The first names of a list in a message: "a, b and 7 more"."""
    names = [str(name) for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """The end of a message about an unknown name: "; did you mean a or b?", or nothing.

    Args:
        name: what was given.
        known: what it may be a misspelling of.
        cutoff: how much of it must agree, from 0 to 1.
    """
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=cutoff)
    return f"; did you mean {' or '.join(close)}?" if close else ""
