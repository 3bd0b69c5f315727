"""Errors that a user can act on: the command line prints them without a traceback."""

from pathlib import Path

from aligndetr.runtime.errors import (
    DataError,
    ExportError,
    PixelsError,
    UserError,
    did_you_mean,
    some,
)


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


class CheckpointError(UserError):
    """A checkpoint is missing, broken or of another architecture."""


class UntrustedError(CheckpointError):
    """A checkpoint asks for objects whose reading could run foreign code."""


class TrainingError(UserError):
    """Training cannot go on, for example because a loss is not finite."""
