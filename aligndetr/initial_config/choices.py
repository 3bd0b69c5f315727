"""From a dataset and a machine to the values of a config."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from omegaconf import DictConfig, OmegaConf

from aligndetr.initial_config.length import Length
from aligndetr.initial_config.machine import Machine
from aligndetr.initial_config.recipes import Recipe
from aligndetr.initial_config.source_text import Setting, printable
from aligndetr.initial_config.survey import Survey

CELL = 8  # pixels of the finest level of all shipped models
CELLS = 2.5  # that the small objects should span
SMALL = 0.05  # of the objects are smaller than those
MULTIPLE = 16  # of which image sizes are
MOST_QUERIES = 900  # of a published model
LONG_EDGE = 5 / 3  # of the shorter one, as published; longer images shrink


@dataclass(frozen=True)
class Wishes:
    """What the user says, and data do not.

    Attributes:
        upside_down: images look as natural upside down.
        output_dir: of the training.
    """

    upside_down: bool = False
    output_dir: str = "./output/my_data"


def choose(
    survey: Survey,
    machine: Machine,
    recipe: Recipe,
    base: DictConfig,
    wishes: Wishes,
    length: Length | None = None,
) -> list[list[Setting]]:
    """Sections of the file.

    Args:
        survey: of the dataset.
        machine: that trains.
        recipe: what is known of the config.
        base: the config itself.
        wishes: of the user.
        length: of the training, once a step has been measured.
    """
    size = image_size(survey, recipe, base)
    return [
        _data(survey),
        _size(survey, size),
        _augmentation(survey, recipe, size, wishes),
        _queries(survey, base),
        [Setting(code, why) for code, why in recipe.lines],
        [] if length is None else length.settings(survey, base),
        _machine(machine, wishes),
    ]


def image_size(survey: Survey, recipe: Recipe, base: DictConfig) -> int | None:
    """Shorter edge of images in evaluation; None: as the config says.

    Small objects should span some cells of the finest level; more than the images have is never
    made up, nor is the range left that the model is made for.
    """
    if recipe.smallest is None or "image_size" not in base.dataloader:
        return None
    small = float(np.quantile(survey.sides, SMALL))
    wanted = math.ceil(CELLS * CELL / max(small, 1e-6) / MULTIPLE) * MULTIPLE
    size = min(max(wanted, recipe.smallest), recipe.largest)
    native = max(int(survey.short_edge) // MULTIPLE, 1) * MULTIPLE
    return min(size, native)


def _data(survey: Survey) -> list[Setting]:
    boxes = f"{survey.num_images} images with {sum(survey.counts)} objects"
    found = [Setting(f"dataloader.train.dataset.path = {_quoted(str(survey.path))}", boxes)]
    if survey.is_judged_by_itself:
        why = "all of it; AP then is that of images it was trained on, until there are others"
        found += [
            Setting("dataloader.train.dataset.split = None", why),
            Setting("dataloader.test.dataset.split = None", "dataloader.test.dataset.path = ..."),
        ]
    found.append(Setting("model.num_classes = None", f"as many as there are: {_names(survey)}"))
    why = "learn from images without objects, too"
    found.append(Setting("dataloader.train.dataset.filter_empty = False", why))
    if survey.repeat_threshold is not None:
        code = f"L(RepeatFactor)(threshold={survey.repeat_threshold:g})"
        why = "some classes are rare: their images come more often"
        found.append(Setting(f"dataloader.train.balancing = {code}", why))
    return found


def _quoted(text: str) -> str:
    """A text of Python, in double quotes where that is plain."""
    code = repr(text)
    return code if '"' in code else f'"{code[1:-1]}"'


def _names(survey: Survey) -> str:
    names = survey.class_names
    text = ", ".join(names[:3]) + (f" ... ({len(names)})" if names[3:] else "")
    return printable(text)[:60]


def _size(survey: Survey, size: int | None) -> list[Setting]:
    if size is None:
        return []
    sides = survey.sides * size
    why = (
        f"shorter edge: objects are {np.median(sides):.0f} pixels wide (median), 5 % below "
        f"{np.quantile(sides, SMALL):.0f}; a cell is {CELL}"
    )
    return [Setting(f"dataloader.image_size = {size}", why)]


def _augmentation(
    survey: Survey, recipe: Recipe, size: int | None, wishes: Wishes
) -> list[Setting]:
    flip = "L(T.RandomFlip)(horizontal=False, vertical=True)"
    if size is None or recipe.spread is None:
        insert = f"dataloader.train.mapper.augmentation.insert(0, {flip})"
        why = (
            "these images have no up and down" if wishes.upside_down else "if up and down are alike"
        )
        return [Setting(insert if wishes.upside_down else f"# {insert}", why)]
    low, high = (round(size * part / MULTIPLE) * MULTIPLE for part in recipe.spread)
    edges = f"[{max(low, MULTIPLE)}, {max(high, MULTIPLE)}]"
    limits = _limits(survey, size)
    vertical = f"    {'' if wishes.upside_down else '# '}{flip},"
    vertical += (
        "  # up and down look alike" if wishes.upside_down else "  # if up and down look alike"
    )
    steps = [
        "dataloader.train.mapper.augmentation = [",
        "    L(T.RandomFlip)(),",
        vertical,
        f"    L(T.ResizeShortestEdge)(short_edge_length={edges}{limits}),",
        "]",
    ]
    found = [
        Setting(
            "\n".join(steps), "what a training sees: flips, and sizes around that of evaluation"
        )
    ]
    if limits:
        code = f"dataloader.test.mapper.augmentation[-1].max_size = {_longest(size)}"
        found.append(
            Setting(code, f"some images are {survey.elongation:.1f} times as long as wide")
        )
    return found


def _limits(survey: Survey, size: int) -> str:
    return f", max_size={_longest(size)}" if survey.elongation > LONG_EDGE else ""


def _longest(size: int) -> int:
    return round(size * LONG_EDGE)


def _queries(survey: Survey, base: DictConfig) -> list[Setting]:
    usual = OmegaConf.select(base, "model.num_queries")
    k = max(OmegaConf.select(base, "model.criterion.match_num") or [1])
    if usual is None:
        return []
    crowds = sorted(2 * k * count for count in survey.counts)
    most, nearly = crowds[-1], crowds[math.ceil(0.95 * len(crowds)) - 1]
    wanted = most if most <= max(2 * nearly, usual) else nearly
    queries = max(usual, survey.most_objects, min(wanted, MOST_QUERIES))
    why = f"2 x {k} for each of up to {max(survey.counts)} objects, and no fewer than {usual}"
    found = [Setting(f"model.num_queries = {queries}", why)]
    kept = OmegaConf.select(base, "model.postprocess.num_select")
    if kept and survey.most_objects * 2 > kept:
        code = f"model.postprocess.num_select = {min(2 * survey.most_objects, 2 * queries)}"
        found.append(
            Setting(code, f"detections of an image, of up to {survey.most_objects} objects")
        )
    return found


def _machine(machine: Machine, wishes: Wishes) -> list[Setting]:
    workers = machine.num_workers
    found = [
        Setting(f"dataloader.train.num_workers = {workers}", f"loading processes: {machine}"),
        Setting(f"dataloader.test.num_workers = {workers}", "and in evaluation"),
    ]
    if machine.has_gpu:
        found.append(
            Setting("train.amp.enabled = True", "bfloat16 on the GPU: less memory, faster")
        )
    return [
        *found,
        Setting(f"train.output_dir = {_quoted(wishes.output_dir)}", "checkpoints, log, results"),
    ]
