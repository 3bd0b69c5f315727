"""Checkpoints of a sharded training: folders that all processes write while it goes on."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
import torch.distributed as dist
from torch.optim import Optimizer

from aligndetr.checkpoint_file.sharded import REST_FILE, SUFFIX, named, sharded_reader
from aligndetr.distributed import all_gather_object, is_main, on_main
from aligndetr.engine.checkpoint import LAST_FILE, Checkpointer, by_age
from aligndetr.engine.finite import describe_nonfinite, infinite_buffers
from aligndetr.engine.sharding import Sharding
from aligndetr.errors import TrainingError, UserError
from aligndetr.files import UNFINISHED, atomic_write, writing


class ShardedCheckpointer(Checkpointer):
    """Saves and restores a sharded training; a checkpoint is a folder `<name>.dcp`.

    What `save` finds is copied at once and written by a thread; the folder gets its name when all
    processes have written. It is read with any number of processes.

    Args:
        sharding: the weights.
        optimizer: over the parameters of the sharded model.
        save_dir, max_to_keep, extra, checkpointables: see `Checkpointer`.
    """

    def __init__(
        self,
        sharding: Sharding,
        optimizer: Optimizer,
        save_dir: str | os.PathLike,
        max_to_keep: int | None = None,
        extra: Mapping[str, Any] | None = None,
        **checkpointables: Any,
    ) -> None:
        super().__init__(sharding.models["model"], save_dir, max_to_keep, extra, **checkpointables)
        self.sharding = sharding
        self.optimizer = optimizer
        self._group = dist.new_group(backend="gloo")  # the thread's; the training goes on beside it
        self._writing: Future | None = None
        self._naming: threading.Thread | None = None
        self._failure: BaseException | None = None

    def save(self, name: str, iteration: int, is_last: bool = True) -> Path:
        """Begin to write `<name>.dcp`; every process must call it. See `Checkpointer.save`."""
        import torch.distributed.checkpoint as dcp

        self.finish()
        path = self.save_dir / f"{name}{SUFFIX}"
        unfinished = self.save_dir / f".{path.name}{UNFINISHED}"
        states = {key: value.state_dict() for key, value in self.checkpointables.items()}
        tensors, optimizer = self.sharding.tensors(self.optimizer)
        self._refuse_any_nonfinite(path, tensors)
        settings = [
            {key: value for key, value in group.items() if key != "params"}
            for group in optimizer["param_groups"]
        ]
        rest = {**self.extra, **states, "optimizer": settings, "iteration": iteration}
        on_main(partial(_begin, unfinished, rest))
        with writing(path):
            begun = dcp.async_save(tensors, checkpoint_id=unfinished, process_group=self._group)
            self._writing = cast(Future, begun)
        if is_main():
            arguments = self._writing, unfinished, path, is_last
            self._naming = threading.Thread(target=self._name, args=arguments)
            self._naming.start()
        return path

    def finish(self) -> None:
        """Wait until what `save` began is written; every process must call it.

        Raises:
            UserError: it cannot be written.
        """
        if self._writing is None:
            return
        self._writing.exception()  # of the main process only, which alone knows of all
        self._writing = None
        on_main(self._conclude)

    def restore(self, content: dict[str, Any], path: str | os.PathLike) -> dict[str, Any]:
        """Restore everything; `content` is that of the `REST_FILE` in the folder `path`.

        Raises:
            CheckpointError: see `Checkpointer.load`.
        """
        import torch.distributed.checkpoint as dcp

        self._check_parts(content, path)
        tensors, optimizer = self.sharding.tensors(self.optimizer)
        reader = sharded_reader(Path(path))
        with named(Path(path)):
            dcp.load(tensors, storage_reader=reader)
            self.sharding.load_optimizer(self.optimizer, optimizer, content["optimizer"])
        self._restore_others(content, path)
        return content

    def _refuse_any_nonfinite(self, path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
        infinite = {f"{p}/{n}" for p in self.sharding.models for n in infinite_buffers(self.model)}
        problems = all_gather_object(describe_nonfinite(tensors, infinite))
        problem = next((found for found in problems if found), None)
        if problem:
            raise TrainingError(f"{path} is not written: {problem}")

    def _name(self, written: Future, unfinished: Path, path: Path, is_last: bool) -> None:
        """Once all is written; then, and only then, there is such a checkpoint."""
        try:
            written.result()
            with writing(path):
                before = self.save_dir / f".{path.name}.before{UNFINISHED}"
                if path.exists():
                    os.replace(path, before)
                os.replace(unfinished, path)
                shutil.rmtree(before, ignore_errors=True)
            if is_last:
                with atomic_write(self.save_dir / LAST_FILE) as file:
                    file.write(path.name)
            self._remove_old()
        except BaseException as error:
            self._failure = error

    def _conclude(self) -> None:
        if self._naming is not None:
            self._naming.join()
        failure, self._failure = self._failure, None
        if failure is not None:
            lines = str(failure).strip().splitlines() or [type(failure).__name__]
            raise UserError(f"a checkpoint in {self.save_dir} is not written: {lines[-1][:300]}")

    def _remove_old(self) -> None:
        folders = by_age(self.save_dir.glob(f"model_[0-9]*{SUFFIX}"))
        for folder in folders[: -self.max_to_keep] if self.max_to_keep else ():
            shutil.rmtree(folder, ignore_errors=True)


def _begin(folder: Path, rest: dict[str, Any]) -> None:
    with writing(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with atomic_write(folder / REST_FILE, "wb") as file:
            torch.save(rest, file)
