"""The size of images, and what is done to them in training."""

from __future__ import annotations

import math

import numpy as np
from omegaconf import DictConfig

from aligndetr.initial_config.recipes import Recipe
from aligndetr.initial_config.source_text import Setting
from aligndetr.initial_config.survey import Survey

CELL = 8  # pixels of the finest level of all shipped models
SIDE = 21  # pixels that objects should span: less than three cells
SMALL = 0.05  # of the objects are smaller than that
MULTIPLE = 16  # of which image sizes are
LONG_EDGE = 5 / 3  # of the shorter one, as published; longer images shrink
MAPPER = "dataloader.train.mapper"
DISTORTIONS = (
    "L(T.RandomPhotometricDistort)()",
    "L(T.RandomIoUCrop)(scale=[0.5, 1.0], aspect_ratio=[0.75, 1.33])",
)
FLIP = "L(T.RandomFlip)(horizontal=False, vertical=True)"


def image_settings(
    survey: Survey, recipe: Recipe, base: DictConfig, upside_down: bool
) -> list[list[Setting]]:
    """Sections: size, augmentation, and another one for a part of the training.

    Args:
        survey: of the dataset.
        recipe: what is known of the config.
        base: the config itself.
        upside_down: whether images look as natural upside down.
    """
    is_known = recipe.smallest is not None and recipe.largest is not None
    if not is_known or "image_size" not in base.dataloader:
        return [_flips(base, upside_down)]
    wanted = _wanted_size(survey)
    native = max(int(survey.short_edge) // MULTIPLE, 1) * MULTIPLE
    size = min(max(wanted, recipe.smallest), recipe.largest, native)
    steps = _flips(base, upside_down)
    if recipe.spread is not None:
        steps = _own_steps(survey, base, recipe.spread, size, upside_down)
    distorted = _distortions(recipe)
    return [
        [_size(survey, size, wanted), *_strides(recipe)],
        [*steps, *distorted],
        _stages(recipe, size),
    ]


def _wanted_size(survey: Survey) -> int:
    """The shorter edge at which small objects span enough pixels."""
    small = float(np.quantile(survey.sides, SMALL))
    return math.ceil(SIDE / max(small, 1e-6) / MULTIPLE) * MULTIPLE


def _size(survey: Survey, size: int, wanted: int) -> Setting:
    sides = survey.sides * size
    why = (
        f"shorter edge: objects are {np.median(sides):.0f} pixels wide (median), 5 % below "
        f"{np.quantile(sides, SMALL):.0f}; a cell is {CELL}"
    )
    if size < wanted:
        why += f"; {wanted} would be better for small ones: more than the images or the model have"
    return Setting(f"dataloader.image_size = {size}", why)


def _strides(recipe: Recipe) -> list[Setting]:
    why = "an image has parts of cells, too: boxes and features of small images lie where they are"
    code = f"model.pyramid.strides = {list(recipe.strides or ())}"
    return [Setting(code, why)] if recipe.strides else []


def _distortions(recipe: Recipe) -> list[Setting]:
    """Changes of colour and crops, and a mapper without them for the end."""
    if not recipe.is_distorted:
        return []
    lines = [
        f"undistorted = copy.deepcopy({MAPPER})",
        f"{MAPPER}.augmentation = [",
        *(f"    {step}," for step in DISTORTIONS),
        "    *undistorted.augmentation,",
        "]",
    ]
    why = "colours are changed and parts cut out: few images would be learned by heart"
    return [Setting("\n".join(lines), why)]


def _stages(recipe: Recipe, size: int) -> list[Setting]:
    """Parts of the training with other images: coarse ones at first, undistorted ones at last."""
    lines, stages, reasons = [], [], []
    if recipe.coarse is not None:
        lines += [
            f"coarse = copy.deepcopy({MAPPER})",
            f"coarse.augmentation[-1].short_edge_length = {_lengths(recipe.coarse, size)}",
        ]
        stages.append("L(Stage)(start=0, end=0.5, mapper=coarse)")
        reasons.append("the first half on smaller images: cheaper steps, and objects of more sizes")
    if recipe.is_distorted:
        stages.append("L(Stage)(start=0.9, end=1, mapper=undistorted)")
        reasons.append("the last tenth on images as they are")
    if not stages:
        return []
    lines += ["dataloader.train.stages = [", *(f"    {stage}," for stage in stages), "]"]
    return [Setting("\n".join(lines), "; ".join(reasons))]


def _lengths(parts: tuple[float, float], size: int) -> list[int]:
    return [max(round(size * part / MULTIPLE), 1) * MULTIPLE for part in parts]


def _flips(base: DictConfig, upside_down: bool) -> list[Setting]:
    """The config's own augmentation, with the flip upside down or without."""
    mapper = base.dataloader.train.mapper
    found = []
    for key in ("augmentation", "augmentation_with_crop"):
        steps = mapper.get(key) or []
        place = next((n for n, step in enumerate(steps) if step.get("vertical")), None)
        insert = f"{MAPPER}.{key}.insert(0, {FLIP})"
        if place is not None and not upside_down:
            found.append(Setting(f"del {MAPPER}.{key}[{place}]", "no flip upside down"))
        elif steps and place is None and upside_down:
            found.append(Setting(insert, "up and down look alike"))
        elif steps and place is None:
            found.append(Setting(f"# {insert}", "if up and down look alike"))
    return found


def _own_steps(
    survey: Survey, base: DictConfig, spread: tuple[float, float], size: int, upside_down: bool
) -> list[Setting]:
    """Flips, and sizes around that of evaluation."""
    is_long = survey.elongation > LONG_EDGE
    longest = round(size * LONG_EDGE)
    limit = f", max_size={longest}" if is_long else ""
    flip = f"{FLIP},  # up and down look alike" if upside_down else f"# {FLIP},  # if they do"
    steps = [
        f"{MAPPER}.augmentation = [",
        "    L(T.RandomFlip)(),",
        f"    {flip}",
        f"    L(T.ResizeShortestEdge)(short_edge_length={_lengths(spread, size)}{limit}),",
        "]",
    ]
    if base.dataloader.train.mapper.get("augmentation_with_crop"):
        steps.append(f"{MAPPER}.augmentation_with_crop = None")
    why = "training: flips, and sizes around that of evaluation"
    found = [Setting("\n".join(steps), why)]
    if is_long and not base.dataloader.test.mapper.augmentation[-1].get("max_size"):
        code = f"dataloader.test.mapper.augmentation[-1].max_size = {longest}"
        found.append(
            Setting(code, f"images are up to {survey.elongation:.1f} times as long as wide")
        )
    return found
