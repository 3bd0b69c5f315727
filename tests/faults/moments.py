"""The moments of a run at which something can strike, counted: each file operation, each hook."""

import functools
import os
import sys

from aligndetr.engine.trainer import Trainer
from aligndetr.evaluation import COCOEvaluator

HOOK_METHODS = ("before_train", "before_step", "after_backward", "after_step", "after_train")
FILE_EVENTS = {"os.mkdir", "os.rename", "os.remove", "os.chmod", "os.truncate"}


class Moments:
    """What happens in a run, one after the other; strikes from one of them on.

    Args:
        strike: called with what happens and, of a write, a function that does half of it.
        at: index of the first moment that is struck; None: none.
        once: whether later ones are not.

    Attributes:
        names: what happened.
    """

    def __init__(self, strike=None, at=None, once=True):
        self.names = []
        self._strike, self._at, self._once = strike, at, once

    def meet(self, name, half=None):
        """Something is about to happen."""
        self.names.append(name)
        now = len(self.names) - 1
        if self._at is not None and (now == self._at or (now > self._at and not self._once)):
            self._strike(name, half)

    def before(self, function, name):
        """The function, with a moment before each call."""

        @functools.wraps(function)
        def met(*arguments, **options):
            self.meet(name)
            return function(*arguments, **options)

        return met


def watch_files(moments):
    """Whatever is done to files below a folder `run`, in this process from now on."""
    fdopen = os.fdopen
    os.fdopen = lambda *arguments, **options: _Counted(fdopen(*arguments, **options), moments)
    os.fsync = moments.before(os.fsync, "fsync")

    def audit(event, arguments):
        opens = event == "open" and _writes(*arguments)
        if (opens or event in FILE_EVENTS) and _is_in_run(arguments[0]):
            moments.meet(event)

    sys.addaudithook(audit)


def watch_hooks(moments):
    """Each call of each hook of a training."""
    register = Trainer.register_hooks

    def watched(trainer, hooks):
        for hook in hooks:
            for method in HOOK_METHODS:
                name = f"{type(hook).__name__}.{method}"
                setattr(hook, method, moments.before(getattr(hook, method), name))
        register(trainer, hooks)

    Trainer.register_hooks = watched


def watch_evaluations(moments):
    """Each batch of an evaluation, and the end of it."""
    for method in ("process", "evaluate"):
        function = getattr(COCOEvaluator, method)
        setattr(COCOEvaluator, method, moments.before(function, f"evaluator {method}"))


PLACES = {"files": watch_files, "hooks": watch_hooks, "evaluation": watch_evaluations}


class _Counted:
    """A file each of whose writes is a moment."""

    def __init__(self, file, moments):
        self._file, self._moments = file, moments

    def write(self, data):
        self._moments.meet("write", lambda: self._half(data))
        return self._file.write(data)

    def _half(self, data):
        self._file.write(data[: len(data) // 2])
        self._file.flush()

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._file.close()


def _writes(path, mode, flags):
    return bool(flags & (os.O_WRONLY | os.O_RDWR))


def _is_in_run(path):
    return isinstance(path, str | os.PathLike) and "run" in os.fspath(path).split(os.sep)
