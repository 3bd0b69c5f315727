"""Errors that a user can act on: the command line prints them without a traceback."""

import difflib
from collections.abc import Iterable
from pathlib import Path


class UserError(Exception):
    """Something the user gave is wrong; the message names the thing and the remedy.

    Attributes:
        of_all: whether all processes of a training raise it, so that one of them may tell it.
    """

    of_all = False

    def __str__(self) -> str:
        """The message as it is; the Python errors that some are besides would decorate it."""
        return Exception.__str__(self)


class ConfigError(UserError):
    """A config file, key or override is wrong."""

    config_file: Path | None = None  # with whose name the message begins


class ConfigAssertionError(ConfigError, AssertionError):
    """What is called is not callable, or fails a check of its own."""


class ConfigFileNotFoundError(ConfigError, FileNotFoundError):
    """There is no such file."""


class ConfigImportError(ConfigError, ModuleNotFoundError):
    """A module, or a name in one, cannot be imported."""


class ConfigKeyError(ConfigError, KeyError):
    """A key is not in the config."""


class ConfigRuntimeError(ConfigError, RuntimeError):
    """What is called fails; or a config does not come with the package."""


class ConfigSyntaxError(ConfigError, SyntaxError):
    """A .py config is not Python."""


class ConfigTypeError(ConfigError, TypeError):
    """Something is called with arguments that it does not take."""


class ConfigValueError(ConfigError, ValueError):
    """A text is not what it should be: an override, a value, the name of a file."""


_ALSO = {kind.__bases__[1]: kind for kind in ConfigError.__subclasses__()}
_ALSO[ImportError] = ConfigImportError


class UntrustedConfigError(ConfigError):
    """A config that comes as data does what only a trusted one may."""


def config_error(message: str, cause: BaseException) -> ConfigError:
    """A ConfigError that also is the Python error that caused it.

    Whoever catches KeyError or ImportError around detectron2's config system catches ours as well.

    Args:
        message: for the user.
        cause: the error; of other kinds than those above, the result is a plain `ConfigError`.
    """
    kinds = (kind for python, kind in _ALSO.items() if isinstance(cause, python))
    return next(kinds, ConfigError)(message)


class DataError(UserError):
    """A dataset, annotation or image is missing or broken."""


class PixelsError(DataError, ValueError):
    """What is given as an image has another shape or type than images have."""


class CheckpointError(UserError):
    """A checkpoint is missing, broken or of another architecture."""


class UntrustedError(CheckpointError):
    """A checkpoint asks for objects whose reading could run foreign code."""


class TrainingError(UserError):
    """Training cannot go on, for example because a loss is not finite."""


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
