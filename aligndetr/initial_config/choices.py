"""From a dataset and a machine to the values of a config."""

from __future__ import annotations

import math
from dataclasses import dataclass

from omegaconf import DictConfig, OmegaConf

from aligndetr.initial_config.image_choices import image_settings
from aligndetr.initial_config.length import Length
from aligndetr.initial_config.machine import Machine
from aligndetr.initial_config.recipes import Recipe
from aligndetr.initial_config.source_text import Setting, printable
from aligndetr.initial_config.survey import Survey

MOST_QUERIES = 900  # of a published model


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
    return [
        _data(survey, base),
        *image_settings(survey, recipe, base, wishes.upside_down),
        [*_queries(survey, recipe, base), *_matching(recipe, base)],
        [] if length is None else length.settings(survey, base),
        _machine(machine, recipe, wishes),
    ]


def _data(survey: Survey, base: DictConfig) -> list[Setting]:
    boxes = f"{survey.num_images} images with {sum(survey.counts)} objects"
    found = [Setting(f"dataloader.train.dataset.path = {_quoted(str(survey.path))}", boxes)]
    if survey.is_judged_by_itself:
        why = "all of it; AP then is that of images it was trained on, until there are others"
        found += [
            Setting("dataloader.train.dataset.split = None", why),
            Setting("dataloader.test.dataset.split = None", "dataloader.test.dataset.path = ..."),
        ]
    found.append(Setting("model.num_classes = None", f"as many as there are: {_names(survey)}"))
    if base.dataloader.train.dataset.filter_empty:
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


def _queries(survey: Survey, recipe: Recipe, base: DictConfig) -> list[Setting]:
    usual = OmegaConf.select(base, "model.num_queries")
    if usual is None:
        return []
    each = 2 * max(OmegaConf.select(base, "model.criterion.match_num") or [1])
    crowds = sorted(each * count for count in survey.counts)
    most, nearly = crowds[-1], crowds[math.ceil(0.95 * len(crowds)) - 1]
    wanted = most if most <= max(2 * nearly, usual) else nearly
    queries = max(usual, survey.most_objects, min(wanted, MOST_QUERIES))
    if queries == usual:
        why = f"as in {recipe.config}"
    elif queries == survey.most_objects:
        why = f"as many as an image has objects; most have no more than {nearly // each}"
    elif queries < wanted:
        why = f"no more than a published model has; {each} for each object would be {wanted}"
    else:
        why = f"{each} for each of up to {wanted // each} objects"
        why += " (95 % of the images)" * (wanted < most)
        why += ", as in the trial (docs/first_detector.md)" * recipe.one_query
    found = [Setting(f"model.num_queries = {queries}", why)]
    kept = OmegaConf.select(base, "model.postprocess.num_select")
    if kept and survey.most_objects * 2 > kept:
        code = f"model.postprocess.num_select = {min(2 * survey.most_objects, 2 * queries)}"
        found.append(
            Setting(code, f"detections of an image, of up to {survey.most_objects} objects")
        )
    return found


def _matching(recipe: Recipe, base: DictConfig) -> list[Setting]:
    layers = len(OmegaConf.select(base, "model.criterion.match_num") or [])
    if not recipe.one_query or not layers:
        return []
    why = "queries an object in each layer: one, as in the trial (docs/first_detector.md)"
    return [Setting(f"model.criterion.match_num = {[1] * layers}", why)]


def _machine(machine: Machine, recipe: Recipe, wishes: Wishes) -> list[Setting]:
    workers = machine.num_workers
    found = [
        Setting(f"dataloader.train.num_workers = {workers}", f"loading processes: {machine}"),
        Setting(f"dataloader.test.num_workers = {workers}", "and in evaluation"),
    ]
    if machine.has_gpu or (recipe.in_bf16 and machine.computes_bf16):
        found.append(Setting("train.amp.enabled = True", "bfloat16: less memory, faster here"))
    return [
        *found,
        Setting(f"train.output_dir = {_quoted(wishes.output_dir)}", "checkpoints, log, results"),
    ]
