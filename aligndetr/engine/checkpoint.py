"""Checkpoint files: written whole or not at all, read without running what is in them."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from aligndetr.checkpoint_file import read_checkpoint_file
from aligndetr.checkpoint_file.sharded import SUFFIX as SHARDED
from aligndetr.distributed import on_main, unwrap
from aligndetr.engine.finite import describe_nonfinite, infinite_buffers
from aligndetr.engine.optimizer import check_moments
from aligndetr.engine.plan import whole_number
from aligndetr.engine.random_state import RandomState
from aligndetr.errors import CheckpointError, TrainingError, UserError, some
from aligndetr.evaluation.run_files import CONFIG_FILE
from aligndetr.files import atomic_write

if TYPE_CHECKING:
    from aligndetr.engine.hooks import ModelEMA
    from aligndetr.engine.sharding import Sharding
    from aligndetr.engine.trainer import Trainer

logger = logging.getLogger(__name__)

LAST_FILE = "last_checkpoint"
SUFFIXES = (".pth", SHARDED)
FILE_NAME = re.compile(r"[\w.-]{1,100}\.(pth|dcp)")
MOST_STEPS = 2**31
TENSORS = ("model", "ema", "optimizer")  # parts of a file that must be finite


class Checkpointer:
    """Saves and restores a training in one folder.

    A file holds `model`, an entry for each of `checkpointables`, `iteration` (index of the last
    finished step), and `extra`.

    Args:
        model: its weights are stored without the distributed wrapper.
        save_dir: folder of the files.
        max_to_keep: newest periodic files that stay; None keeps all.
        extra: stored in each file, such as class names and the config's text.
        checkpointables: by name, anything with `state_dict` and `load_state_dict`.
    """

    def __init__(
        self,
        model: nn.Module,
        save_dir: str | os.PathLike,
        max_to_keep: int | None = None,
        extra: Mapping[str, Any] | None = None,
        **checkpointables: Any,
    ) -> None:
        self.model = unwrap(model)
        self.save_dir = Path(save_dir)
        self.max_to_keep = max_to_keep
        self.extra = dict(extra or {})
        self.checkpointables = checkpointables

    def save(self, name: str, iteration: int, is_last: bool = True) -> Path:
        """Write `<name>.pth`; every process must call it.

        Args:
            name: of the file.
            iteration: index of the last finished step.
            is_last: whether `--resume` should go on from this file.

        Raises:
            TrainingError: weights, buffers, their average or the optimizer's state are not finite.
            UserError: the file cannot be written. Earlier files stay as they are.
        """
        states = {key: value.state_dict() for key, value in self.checkpointables.items()}
        path = self.save_dir / f"{name}.pth"

        def write() -> None:
            content = {"model": self.model.state_dict(), **states, "iteration": iteration}
            self._refuse_nonfinite(path, content)
            with atomic_write(path, "wb") as file:
                torch.save({**self.extra, **content}, file)
            if is_last:
                with atomic_write(self.save_dir / LAST_FILE) as file:
                    file.write(path.name)
            self._remove_old()

        on_main(write)
        return path

    def load(self, path: str | os.PathLike, trust: bool = False) -> dict[str, Any]:
        """Restore the model and all checkpointables that the file has.

        Args:
            path: a file that `save` wrote.
            trust: see `load_model_file`.

        Returns:
            The content of the file.

        Raises:
            CheckpointError: the file is missing, broken, of another architecture, or no training
                can go on from it.
        """
        return self.restore(load_model_file(path, trust), path)

    def restore(self, content: dict[str, Any], path: str | os.PathLike) -> dict[str, Any]:
        """The same from content that is read already; `path` is where."""
        self._check_parts(content, path)
        load_weights(self.model, content["model"], path)
        self._restore_others(content, path)
        return content

    def finish(self) -> None:
        """Wait for what `save` began; here it is done when `save` returns."""

    def _check_parts(self, content: Mapping[str, Any], path: str | os.PathLike) -> None:
        missing = [name for name in self.checkpointables if name not in content]
        if "iteration" not in content or missing:
            raise CheckpointError(
                f"no training can go on from {path}: it lacks {some(missing) or 'iteration'}; to "
                "start from its weights use train.init_checkpoint instead of --resume"
            )

    def _restore_others(self, content: Mapping[str, Any], path: str | os.PathLike) -> None:
        """All but the model."""
        for name, value in self.checkpointables.items():
            with _named(f"the {name} state in {path}"):
                value.load_state_dict(content[name])
                if isinstance(value, torch.optim.Optimizer):
                    check_moments(value)
        with _named(path):
            stored_count(content, "iteration")

    def _refuse_nonfinite(self, path: Path, content: Mapping[str, Any]) -> None:
        problem = describe_nonfinite_parts(content, self.model)
        if problem:
            last = last_checkpoint(self.save_dir)
            resumed = f"--resume goes on from {last}" if last else "there is none to resume from"
            raise TrainingError(f"{path} is not written: {problem}; {resumed}")

    def _remove_old(self) -> None:
        if self.max_to_keep:
            for path in periodic_files(self.save_dir)[: -self.max_to_keep]:
                path.unlink(missing_ok=True)


def build_checkpointer(
    config: DictConfig,
    folder: Path,
    trainer: Trainer,
    scheduler: LRScheduler,
    ema: ModelEMA | None,
    sharding: Sharding | None = None,
) -> Checkpointer:
    """Everything that `--resume` needs, in the folder of a run whose config is saved there."""
    parts: dict[str, Any] = {"scheduler": scheduler, "hooks": trainer}
    parts |= {"scaler": trainer.precision.scaler, "random_state": RandomState()}
    if hasattr(trainer.loader, "state_dict"):
        parts["loader"] = trainer.loader
    model = unwrap(trainer.model)
    config_text = (folder / CONFIG_FILE).read_text(encoding="utf-8")
    extra = {"class_names": getattr(model, "class_names", None), "config": config_text}
    most = whole_number(config, "train.checkpointer.max_to_keep", None)
    if sharding is not None:
        return sharding.checkpointer(trainer.optimizer, folder, most, extra, **parts)
    parts = {"optimizer": trainer.optimizer, **parts, **({} if ema is None else {"ema": ema})}
    return Checkpointer(model, folder, most, extra, **parts)


def last_checkpoint(folder: Path) -> Path | None:
    """The file that `last_checkpoint` in a run's folder names; None if there is no such file.

    Only a name counts, never a path. Whether a training can go on from the file is for
    `aligndetr.engine.resume_point` to say.
    """
    pointer = folder / LAST_FILE
    if not pointer.is_file():
        return None
    with open(pointer, "rb") as file:
        name = file.read(1000).decode("utf-8", errors="replace").strip()
    path = folder / name if FILE_NAME.fullmatch(name) else None
    return path if path and _is_there(path) else None


def periodic_files(folder: Path) -> list[Path]:
    """Oldest first; an earlier run may have left some of later iterations."""
    return by_age(folder.glob("model_[0-9]*.pth"))


def by_age(paths: Iterable[Path]) -> list[Path]:
    """Oldest first."""
    return sorted(
        (path for path in paths if _is_there(path)),
        key=lambda path: (path.stat().st_mtime_ns, path.name),
    )


def _is_there(path: Path) -> bool:
    return path.is_dir() if path.suffix == SHARDED else path.is_file()


def describe_nonfinite_parts(content: Mapping[str, Any], model: nn.Module) -> str | None:
    """What of a checkpoint's tensors is not finite; None if no training would suffer.

    Args:
        content: see `load_model_file`; hooks may remember NaN.
        model: says which buffers may hold infinities, see `infinite_buffers`.
    """
    parts = {name: content[name] for name in TENSORS if name in content}
    infinite = {f"{part}.{name}" for part in parts for name in infinite_buffers(model)}
    return describe_nonfinite(parts, infinite)


def stored_count(state: Mapping[str, Any], name: str) -> int:
    """A number of steps or the like that a checkpoint holds.

    Raises:
        CheckpointError: it is no whole number, or one that nothing here reaches.
    """
    value = state[name]
    if type(value) is not int or not 0 <= value < MOST_STEPS:
        raise CheckpointError(f"its {name} is {repr(value)[:40]}, which counts nothing")
    return value


def load_model_file(path: str | os.PathLike, trust: bool = False) -> dict[str, Any]:
    """Read a checkpoint, onto the CPU.

    Args:
        path: local file, written by `Checkpointer` or a plain dict of weights.
        trust: allow objects other than tensors and plain values, whose reading can run any code.

    Returns:
        The file's dict; bare weights are put under `model`.

    Raises:
        CheckpointError: see `read_checkpoint_file`; or the file holds no dict.
    """
    content = read_checkpoint_file(path, trust)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not a dict of weights")
    model = content.get("model")
    if not isinstance(model, Mapping | Tensor | None):
        raise CheckpointError(f"{path} holds a {type(model).__name__} as model, not weights")
    return dict(content) if isinstance(model, Mapping) else {"model": content}


def load_weights(
    model: nn.Module, state_dict: Mapping[str, Tensor], source: str | os.PathLike
) -> None:
    """Load weights that must fit exactly.

    Raises:
        CheckpointError: names, shapes or kinds of numbers differ; the message lists which. The
            model is unchanged.
    """
    own = model.state_dict()
    if not isinstance(state_dict, Mapping):
        raise CheckpointError(f"{source} holds a {type(state_dict).__name__}, not weights by name")
    _check_kinds(own, state_dict, source)
    state_dict = _counters_of(own, state_dict)
    missing = [name for name in own if name not in state_dict]
    unexpected = [name for name in state_dict if name not in own]
    shapes = [
        f"{name} {tuple(value.shape)} in the file, {tuple(own[name].shape)} in the model"
        for name, value in state_dict.items()
        if name in own and value.shape != own[name].shape
    ]
    if missing or unexpected or shapes:
        kinds = {"not in the file": missing, "not in the model": unexpected, "other shape": shapes}
        lines = [f"  {kind} ({len(n)}): {some(n)}" for kind, n in kinds.items() if n]
        raise CheckpointError(
            "\n".join([f"{source} belongs to another architecture or number of classes:", *lines])
            + "\nuse the config that it was trained with"
        )
    model.load_state_dict(state_dict)


def _counters_of(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`given`, but with a counter of batches for each batch norm that trains, and for no other.

    Whether a norm was frozen changes nothing else that is stored of it.
    """
    known = {name: value for name, value in given.items() if name in own or not _counts(name)}
    return {name: value for name, value in own.items() if _counts(name)} | known


def _counts(name: str) -> bool:
    return name.rpartition(".")[2] == "num_batches_tracked"


def choose_weights(
    content: Mapping[str, Any], wanted: str | None, source: str | os.PathLike
) -> tuple[str, Mapping[str, Tensor]]:
    """(which, weights) of a checkpoint.

    Args:
        content: see `load_model_file`.
        wanted: "ema", "model", or None for the moving average if there is one.
        source: named in errors.

    Raises:
        CheckpointError: the file has no moving average, but it is wanted.
    """
    there = [name for name in ("ema", "model") if content.get(name) not in (None, {})]
    which = wanted or (there or ["model"])[0]
    if which not in there:
        raise CheckpointError(f"{source} has no {which!r} weights; use train.best.weights=model")
    return which, content[which]


def _check_kinds(
    own: Mapping[str, Tensor], stored: Mapping[str, Tensor], source: str | os.PathLike
) -> None:
    for name, value in stored.items():
        if not isinstance(value, Tensor):
            raise CheckpointError(
                f"{source} holds a {type(value).__name__} as {name}, which must be a tensor"
            )
        if name in own and value.is_floating_point() != own[name].is_floating_point():
            raise CheckpointError(
                f"{source} holds {name} as {value.dtype}, which must be {own[name].dtype}"
            )


@contextmanager
def _named(part: Any) -> Generator[None]:
    """A file can hold anything, and hooks of whatever origin read it: say what did not fit."""
    try:
        yield
    except Exception as error:
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        raise CheckpointError(f"{part} does not fit this config: {kind}{error}") from error
