"""How long a training is, and how its batch is divided, from steps that were measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

from omegaconf import DictConfig

from aligndetr.engine.plan import FEW_ITERS
from aligndetr.initial_config.source_text import Setting
from aligndetr.initial_config.survey import Survey

MOST_EVALUATIONS = 10
JUDGING = 0.1  # of the time, that evaluations may take
FORWARD = 0.5  # of a training step's time an image, that evaluating one takes


@dataclass(frozen=True)
class Length:
    """A training's length.

    Attributes:
        steps: of the optimizer.
        batch_size: images of a step.
        parts: micro-batches of a step.
        step_seconds: measured; None: not.
        why: what decided the number of steps.
    """

    steps: int
    batch_size: int
    parts: int = 1
    step_seconds: float | None = None
    why: str = ""

    def evaluation_seconds(self, survey: Survey) -> float:
        """About what an evaluation takes."""
        seconds = self.step_seconds or 0.0
        return FORWARD * seconds / self.batch_size * survey.num_val_images

    def num_evaluations(self, survey: Survey) -> int:
        """So many that they take no more than a part of the time."""
        if not self.step_seconds:
            return MOST_EVALUATIONS
        time = JUDGING * self.steps * self.step_seconds
        return min(MOST_EVALUATIONS, max(1, int(time / self.evaluation_seconds(survey))))

    def seconds(self, survey: Survey) -> float | None:
        """About what the training takes, evaluations included; None if nothing was measured."""
        if not self.step_seconds:
            return None
        judging = self.num_evaluations(survey) * self.evaluation_seconds(survey)
        return self.steps * self.step_seconds + judging

    def settings(self, survey: Survey, base: DictConfig) -> list[Setting]:
        """Lines of the file, over a config."""
        epochs = _shown(self.steps * self.batch_size / survey.num_images)
        few = f"; few: from scratch, {FEW_ITERS} or more are needed" * (self.steps < FEW_ITERS)
        found = [Setting(f"train.epochs = {epochs}", f"{self.steps} steps: {self.why}{few}")]
        count = self.num_evaluations(survey)
        period = _shown(epochs / count)
        found.append(Setting(f"train.eval_epochs = {period}", f"{count} evaluations in all"))
        if self.steps / count > base.train.eval_period:
            longer = math.ceil(self.steps / count)
            found.append(Setting(f"train.eval_period = {longer}", "no more than those"))
        if self.parts > 1:
            why = "parts of a batch, one after the other: all of it does not fit into memory"
            found.append(Setting(f"train.accumulation_steps = {self.parts}", why))
        return found


def steps_in(minutes: float, survey: Survey, length: Length) -> int:
    """How many steps of this kind fit, beside the evaluations.

    Raises:
        ValueError: it is not known how long one takes.
    """
    if length.step_seconds is None:
        raise ValueError("a limit in minutes needs steps that were tried")
    available = minutes * 60
    once = length.evaluation_seconds(survey)
    judging = min(MOST_EVALUATIONS * once, max(JUDGING * available, once))
    return max(1, int((available - judging) / length.step_seconds))


def _shown(epochs: float) -> float | int:
    """A number to read: whole from ten on, else of two digits."""
    if epochs >= 10:
        return round(epochs)
    digits = 1 - math.floor(math.log10(epochs))
    return round(epochs, digits)
