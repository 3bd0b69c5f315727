"""Checkpoint files: written whole or not at all, read without running what is in them."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from aligndetr.checkpoint_file import read_checkpoint_file
from aligndetr.distributed import barrier, is_main, unwrap
from aligndetr.engine.plan import whole_number
from aligndetr.engine.random_state import RandomState
from aligndetr.engine.run_folder import CONFIG_FILE
from aligndetr.errors import CheckpointError
from aligndetr.files import atomic_write

if TYPE_CHECKING:
    from aligndetr.engine.hooks import ModelEMA
    from aligndetr.engine.trainer import Trainer

logger = logging.getLogger(__name__)

LAST_FILE = "last_checkpoint"
MOST_NAMES = 5


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
        """
        states = {key: value.state_dict() for key, value in self.checkpointables.items()}
        path = self.save_dir / f"{name}.pth"
        if is_main():
            content = {"model": self.model.state_dict(), **states, "iteration": iteration}
            with atomic_write(path, "wb") as file:
                torch.save({**self.extra, **content}, file)
            if is_last:
                with atomic_write(self.save_dir / LAST_FILE) as file:
                    file.write(path.name)
            self._remove_old()
        barrier()
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
        content = load_model_file(path, trust)
        missing = [name for name in self.checkpointables if name not in content]
        if "iteration" not in content or missing:
            raise CheckpointError(
                f"no training can go on from {path}: it lacks {_some(missing) or 'iteration'}; to "
                "start from its weights use train.init_checkpoint instead of --resume"
            )
        load_weights(self.model, content["model"], path)
        for name, value in self.checkpointables.items():
            try:
                value.load_state_dict(content[name])
            except (ValueError, KeyError, RuntimeError) as error:
                raise CheckpointError(
                    f"the {name} state in {path} does not fit this config: {error}"
                ) from error
        return content

    def _remove_old(self) -> None:
        if self.max_to_keep:
            for path in _periodic_files(self.save_dir)[: -self.max_to_keep]:
                path.unlink()


def build_checkpointer(
    config: DictConfig,
    folder: Path,
    trainer: Trainer,
    scheduler: LRScheduler,
    ema: ModelEMA | None,
) -> Checkpointer:
    """Everything that `--resume` needs, in the folder of a run whose config is saved there."""
    parts = {"optimizer": trainer.optimizer, "scheduler": scheduler, "hooks": trainer}
    parts |= {"scaler": trainer.precision.scaler, "random_state": RandomState()}
    if hasattr(trainer.loader, "state_dict"):
        parts["loader"] = trainer.loader
    if ema is not None:
        parts["ema"] = ema
    model = unwrap(trainer.model)
    config_text = (folder / CONFIG_FILE).read_text(encoding="utf-8")
    return Checkpointer(
        model,
        folder,
        max_to_keep=whole_number(config, "train.checkpointer.max_to_keep", None),
        extra={"class_names": getattr(model, "class_names", None), "config": config_text},
        **parts,
    )


def last_checkpoint(folder: Path) -> Path | None:
    """The file of a run's folder that `--resume` goes on from, or None.

    Raises:
        CheckpointError: `last_checkpoint` names a file that is not there.
    """
    pointer = folder / LAST_FILE
    if not pointer.is_file():
        return None
    path = folder / pointer.read_text(encoding="utf-8").strip()
    if not path.is_file():
        raise CheckpointError(
            f"{pointer} names {path.name}, which is not there; write the name of one that is "
            f"({_some([file.name for file in _periodic_files(folder)]) or 'there is none'}) into "
            "it, or delete it to start anew"
        )
    return path


def _periodic_files(folder: Path) -> list[Path]:
    """Oldest first; an earlier run may have left some of later iterations."""
    files = folder.glob("model_[0-9]*.pth")
    return sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name))


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
    return dict(content) if isinstance(content.get("model"), Mapping) else {"model": content}


def load_weights(
    model: nn.Module, state_dict: Mapping[str, Tensor], source: str | os.PathLike
) -> None:
    """Load weights that must fit exactly.

    Raises:
        CheckpointError: names or shapes differ; the message lists which. The model is unchanged.
    """
    own = model.state_dict()
    missing = [name for name in own if name not in state_dict]
    unexpected = [name for name in state_dict if name not in own]
    shapes = [
        f"{name} {tuple(value.shape)} in the file, {tuple(own[name].shape)} in the model"
        for name, value in state_dict.items()
        if name in own and value.shape != own[name].shape
    ]
    if missing or unexpected or shapes:
        kinds = {"not in the file": missing, "not in the model": unexpected, "other shape": shapes}
        lines = [f"  {kind} ({len(n)}): {_some(n)}" for kind, n in kinds.items() if n]
        raise CheckpointError(
            "\n".join([f"{source} belongs to another architecture or number of classes:", *lines])
            + "\nuse the config that it was trained with"
        )
    model.load_state_dict(state_dict)


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
    which = wanted or ("ema" if content.get("ema") else "model")
    if not content.get(which):
        raise CheckpointError(f"{source} has no {which!r} weights; use train.best.weights=model")
    return which, content[which]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
