"""What can happen around a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aligndetr.engine.trainer import Trainer


MOMENTS = ("before_train", "before_step", "after_backward", "after_step", "after_train")


class Hook:
    """Called by the trainer at five moments; the names are detectron2's.

    In `after_step`, `trainer.iter` is the index of the step just done. If it fails, or is cut short
    by an `EvaluationCut`, a training that is resumed from there calls it again before the next
    step, and that of the hooks behind it. In `after_train` it is
    `trainer.max_iter` if the training finished; `after_train` is also called after a failure.

    Attributes:
        trainer: set by `Trainer.register_hooks`.
    """

    trainer: Trainer

    def before_train(self) -> None:
        """Before the first iteration."""

    def before_step(self) -> None:
        """Before each step."""

    def after_backward(self) -> None:
        """After the backward passes of a step, before clipping and the optimizer."""

    def after_step(self) -> None:
        """After each step."""

    def after_train(self) -> None:
        """After the last iteration, or after a failure."""

    def state_dict(self) -> dict[str, Any]:
        """What the hook must remember in a checkpoint; plain values and tensors."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned."""


def is_due(iteration: int, period: int) -> bool:
    """Whether something that happens every `period` steps follows step `iteration`; 0: never."""
    return period > 0 and (iteration + 1) % period == 0
