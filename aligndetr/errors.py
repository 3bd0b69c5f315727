"""Errors that a user can act on: the command line prints them without a traceback."""


class UserError(Exception):
    """Something the user gave is wrong; the message names the thing and the remedy."""


class ConfigError(UserError):
    """A config file, key or override is wrong."""


class DataError(UserError):
    """A dataset, annotation or image is missing or broken."""


class CheckpointError(UserError):
    """A checkpoint is missing, broken or of another architecture."""


class TrainingError(UserError):
    """Training cannot go on, for example because a loss is not finite."""
