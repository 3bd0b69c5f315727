"""From a dataset to the text of a config file: looked at, chosen, measured, chosen again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from omegaconf import DictConfig

from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.initial_config.choices import Wishes, choose
from aligndetr.initial_config.length import Length, steps_in
from aligndetr.initial_config.machine import Machine
from aligndetr.initial_config.measuring import measure
from aligndetr.initial_config.recipes import Recipe, module_of
from aligndetr.initial_config.source_text import Setting, printable, source_text
from aligndetr.initial_config.survey import Survey

IMPORTS = {  # what settings may use: the words that show it
    "copy.deepcopy": "import copy\n",
    "L(": "from aligndetr.config import LazyCall as L",
    "Stage": "from aligndetr.data import Stage",
    "T.": "from aligndetr.data import augmentation as T",
    "RepeatFactor": "from aligndetr.data.balancing import RepeatFactor",
}


@dataclass(frozen=True)
class Limits:
    """What bounds the training; at most one is given.

    Attributes:
        minutes: of time, on this machine.
        epochs: over the images.
    """

    minutes: float | None = None
    epochs: float | None = None


@dataclass(frozen=True)
class Draft:
    """A file that is not yet written.

    Attributes:
        text: of it.
        length: of the training.
    """

    text: str
    length: Length


def draft(
    survey: Survey,
    machine: Machine,
    recipe: Recipe,
    wishes: Wishes,
    limits: Limits,
    command: str,
    is_measured: bool = True,
) -> Draft:
    """The text of a config file.

    Args:
        survey: of the dataset.
        machine: that trains.
        recipe: the config that is changed.
        wishes: of the user.
        limits: of the training.
        command: that asked for the file, for its docstring.
        is_measured: try some steps, for time and memory; a limit in minutes needs it.

    Raises:
        UserError: the config cannot be trained on this data, or not in this memory.
    """
    base = LazyConfig.load(resolve_config(recipe.config))
    module = module_of(recipe.config)
    title = _title(survey, recipe, command)

    def text(length: Length | None) -> str:
        sections = choose(survey, machine, recipe, base, wishes, length)
        return source_text(title, module, sections, _imports(sections))

    length = _length(survey, recipe, base, limits)
    if is_measured:
        length = measure(text(length), machine, length)
    if limits.minutes is not None:
        steps = steps_in(limits.minutes, survey, length)
        why = f"{limits.minutes:g} minutes at {length.step_seconds:.2g} s a step, measured here"
        length = dataclasses.replace(length, steps=steps, why=why)
    return Draft(text(length), length)


def _length(survey: Survey, recipe: Recipe, base: DictConfig, limits: Limits) -> Length:
    """By the epochs wanted, else as many steps as the recipe needs, or the config's epochs have."""
    batch = base.dataloader.train.total_batch_size
    if limits.epochs is not None:
        steps = max(1, round(limits.epochs * survey.num_images / batch))
        return Length(steps, batch, why=f"{limits.epochs:g} epochs, as you wished")
    usual = round(base.train.epochs * survey.num_images / batch)
    if usual >= recipe.steps:
        return Length(usual, batch, why=f"the {base.train.epochs} epochs of {recipe.config}")
    return Length(recipe.steps, batch, why="to learn from scratch")


def _title(survey: Survey, recipe: Recipe, command: str) -> str:
    return (
        f"{recipe.config} on {survey.num_images} images of {_plain(survey.path.name)}.\n\n"
        f"The model: {recipe.why}.\n"
        f"The file is yours to change; it was written by\n  {_plain(command)}\n"
    )


def _plain(text: str) -> str:
    """Without what would end a docstring or begin an escape."""
    return printable(text).replace("\\", "/").replace('"', "'")


def _imports(sections: Sequence[Sequence[Setting]]) -> list[str]:
    code = "\n".join(setting.code for part in sections for setting in part)
    return [line for word, line in IMPORTS.items() if word in code]
