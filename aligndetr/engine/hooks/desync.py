"""Processes that drift apart are stopped."""

from __future__ import annotations

from typing import Any

import torch

from aligndetr.distributed import all_gather_object, unwrap
from aligndetr.engine.desync import common, digest, overlapping, parameter_checksums, unequal
from aligndetr.engine.hooks.base import Hook, is_due
from aligndetr.engine.random_state import process_state
from aligndetr.errors import TrainingError, some


class DesyncGuard(Hook):
    """Compares what processes must have in common, before the first step and every `period`.

    Equal must be the iteration, the length of the training, the loader's position, the optimizer's
    settings and all parameters, bit by bit. Different must be the images of a step and the state
    of the random generators: processes of the same state would draw the same noise.

    Register it before the hooks that save: what has drifted apart is not saved.

    Args:
        period: in steps; 0: only before the first.
    """

    def __init__(self, period: int) -> None:
        self.period = period

    def before_train(self) -> None:
        """Compare; processes may have resumed from different files."""
        self._compare()

    def after_step(self) -> None:
        """Compare when it is time."""
        if is_due(self.trainer.iter, self.period):
            self._compare()

    def _compare(self) -> None:
        """Compare.

        Raises:
            TrainingError: something differs, on all processes.
        """
        trainer, model = self.trainer, unwrap(self.trainer.model)
        checksums = parameter_checksums(model)
        states = all_gather_object(
            {
                "equal": {**self._position(), "parameters": digest(repr(checksums))},
                "random": digest(repr(process_state())),
                "samples": trainer.samples,
            }
        )
        found = [
            *unequal([state["equal"] for state in states]),
            *_same_random(states),
            *overlapping([state["samples"] for state in states]),
        ]
        if any(problem.startswith("parameters") for problem in found):
            found.append(_which(model, all_gather_object(checksums)))
        if found:
            what = "\n  ".join(found)
            raise common(
                TrainingError(
                    f"the processes have drifted apart at iteration {trainer.iter}:\n  {what}\n"
                    "what was reached since the last checkpoint is not saved; find what one "
                    "process does that others do not, and go on with --resume"
                )
            )

    def _position(self) -> dict[str, Any]:
        trainer = self.trainer
        groups = [
            {key: value for key, value in group.items() if key != "params"}
            for group in trainer.optimizer.param_groups
        ]
        loader: Any = trainer.loader
        return {
            "iteration": trainer.iter,
            "length of the training": trainer.max_iter,
            "loader": loader.state_dict() if hasattr(loader, "state_dict") else None,
            "optimizer settings": groups,
            "loss scale": trainer.precision.scaler.state_dict(),
        }


def _same_random(states: list[dict[str, Any]]) -> list[str]:
    seen: dict[str, int] = {}
    for index, state in enumerate(states):
        first = seen.setdefault(state["random"], index)
        if first != index:
            return [f"random generators: process {index} draws the same as process {first}"]
    return []


def _which(model: torch.nn.Module, checksums: list[list[int]]) -> str:
    """Names of parameters that are not equal everywhere."""
    names = [name for name, _ in model.named_parameters()]
    columns = zip(names, zip(*checksums, strict=True), strict=True)
    different = [name for name, values in columns if len(set(values)) > 1]
    return f"they differ in {len(different)} of {len(names)}: {some(different)}"
