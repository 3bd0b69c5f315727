"""Hooks that look at the test images' objects while a model learns, as the config asks for."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from aligndetr.engine import hooks
from aligndetr.engine.evaluating import Evaluation
from aligndetr.engine.loaders_from_config import build_validation_loader
from aligndetr.engine.plan import Plan, whole_number
from aligndetr.errors import ConfigError

PICTURES, MATCHING = "train.pictures", "train.matching_stability"


def build_observers(
    config: DictConfig, plan: Plan, evaluation: Evaluation | None
) -> list[hooks.Hook]:
    """Validation loss, stability of matching and pictures, each if it is asked for.

    Args:
        config: of the experiment.
        plan: when it is evaluated.
        evaluation: whose dataset and weights they take.

    Raises:
        ConfigError: the config's test data, or its numbers, do not allow it.
    """
    wanted = [_validation_loss, _matching, _pictures]
    return [hook for build in wanted if (hook := build(config, plan, evaluation))]


def _validation_loss(
    config: DictConfig, plan: Plan, evaluation: Evaluation | None
) -> hooks.Hook | None:
    if not OmegaConf.select(config, "train.validation_loss.enabled"):
        return None
    loader = build_validation_loader(config, evaluation and evaluation.dataset)
    return hooks.ValidationLoss(plan.eval_period, loader)


def _matching(config: DictConfig, plan: Plan, evaluation: Evaluation | None) -> hooks.Hook | None:
    if not OmegaConf.select(config, f"{MATCHING}.enabled"):
        return None
    loader = build_validation_loader(config, evaluation and evaluation.dataset)
    images = _positive(config, f"{MATCHING}.images", 500)
    return hooks.MatchingStability(plan.eval_period, loader, images)


def _pictures(config: DictConfig, plan: Plan, evaluation: Evaluation | None) -> hooks.Hook | None:
    if not whole_number(config, f"{PICTURES}.every", 0):
        return None
    every = _positive(config, f"{PICTURES}.every", 1)
    if evaluation is None or getattr(evaluation.dataset, "class_names", None) is None:
        raise ConfigError(f"{PICTURES}.every={every}: nothing is evaluated that could be drawn")
    loader = build_validation_loader(config, evaluation.dataset)
    model = evaluation.models[evaluation.chosen]
    images = _positive(config, f"{PICTURES}.images", 4)
    return hooks.Pictures(plan.eval_period, every, model, loader, images)


def _positive(config: DictConfig, key: str, default: int) -> int:
    number = whole_number(config, key, default)
    if number < 1:
        raise ConfigError(f"{key}={number} must be a positive number")
    return number
