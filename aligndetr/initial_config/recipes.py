"""What is known of the shipped configs on own data; docs/first_detector.md has the trials."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aligndetr.config.find_file import PACKAGE_FOLDER, resolve_config
from aligndetr.errors import ConfigError
from aligndetr.initial_config.machine import Machine
from aligndetr.initial_config.survey import Survey


@dataclass(frozen=True)
class Recipe:
    """A shipped config, and what it needs on own data.

    Attributes:
        config: its name.
        why: when it is chosen, for the file.
        smallest, largest: shorter edges of images in pixels between which it works; None: as the
            config says.
        spread: of the shorter edge in training, as parts of that in evaluation; None: as the
            config's augmentation.
        coarse: the same up to half of the training, if others.
        strides: of the pyramid's levels, for images so small that a part of a cell matters.
        is_distorted: colours are changed and parts cut out, but in the last tenth.
        one_query: an object has one query in every layer, whatever the config says.
        in_bf16: on processors that compute in it; on GPUs all are.
        steps: of the optimizer, without a limit of time.
    """

    config: str
    why: str = "as you wished"
    smallest: int | None = None
    largest: int | None = None
    spread: tuple[float, float] | None = None
    coarse: tuple[float, float] | None = None
    strides: tuple[int, ...] | None = None
    is_distorted: bool = False
    one_query: bool = False
    in_bf16: bool = False
    steps: int = 3000


RECIPES = (
    Recipe(
        "aligndetr_tiny",
        "about 1 M parameters, for a CPU and minutes",
        160,
        320,
        spread=(0.81, 1.06),
        coarse=(0.56, 0.69),
        strides=(8, 16, 32),
    ),
    Recipe(
        "aligndetr_r18_small",
        "13 M parameters, for a small GPU, or an hour and a half of a CPU",
        240,
        480,
        spread=(0.88, 1.13),
        coarse=(0.56, 0.69),
        is_distorted=True,
        one_query=True,
        in_bf16=True,
        steps=4000,
    ),
    Recipe("aligndetr_r18", "31 M parameters, for some thousand images on a GPU", 480, 640),
    Recipe(
        "aligndetr_k2_r50_4scale_12ep",
        "47 M parameters on an ImageNet backbone, for ten thousand images or more on a GPU",
        640,
        800,
    ),
)
LONG = 80  # minutes from which a CPU trains the small model
SOME, MANY = 2000, 10_000  # images


def recipe_for(survey: Survey, machine: Machine, minutes: float | None) -> Recipe:
    """The model for so many images and this machine.

    Of these bounds one is measured: 83 minutes of two cores are enough for the small model to be
    better than the tiny one, with 205 images (docs/first_detector.md).
    """
    tiny, small, medium, large = RECIPES
    if not machine.has_gpu:
        return small if (minutes or 0) >= LONG else tiny
    if survey.num_images < SOME:
        return small
    return medium if survey.num_images < MANY else large


def recipe_of(name: str) -> Recipe:
    """The recipe of a shipped config; for those without one, the config as it is.

    Raises:
        ConfigError: no such config comes with the package.
    """
    known = next((recipe for recipe in RECIPES if recipe.config == name), None)
    return known or Recipe(module_of(name).rpartition(".")[2])


def module_of(name: str) -> str:
    """What a config file imports a shipped config by.

    Raises:
        ConfigError: no such config comes with the package.
    """
    path = resolve_config(name).resolve()
    if PACKAGE_FOLDER not in path.parents or path.suffix != ".py":
        raise ConfigError(f"{name} does not come with the package: `aligndetr configs` lists them")
    return dotted(path)


def dotted(path: Path) -> str:
    """The module of a file of the package."""
    parts = path.relative_to(PACKAGE_FOLDER).with_suffix("").parts
    return ".".join((PACKAGE_FOLDER.name, *parts))
