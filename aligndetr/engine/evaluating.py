"""Evaluating the weights of an experiment."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf
from torch import nn

from aligndetr.distributed import on_main
from aligndetr.engine.augmented_detector import ONE_LOOK, Looks, augmented, read_looks
from aligndetr.engine.finite import describe_nonfinite_model
from aligndetr.engine.hooks import ModelEMA
from aligndetr.engine.loaders_from_config import build_evaluator, build_test_loader, load_dataset
from aligndetr.engine.num_classes import check_same_classes
from aligndetr.engine.plan import FAST_DEV_ITERS
from aligndetr.errors import ConfigError, TrainingError
from aligndetr.evaluation import Results, inference_on_dataset

if TYPE_CHECKING:
    from aligndetr.engine.sharding import Sharding

logger = logging.getLogger(__name__)

Gathered = Callable[[bool], AbstractContextManager]


class Evaluation:
    """Models, and the data that they are judged by.

    Args:
        models: by the name of their weights: "model", and "ema" where there is an average.
        chosen: the name of those whose results count.
        loader: yields the batches of this process, once.
        evaluator: see `aligndetr.evaluation.DatasetEvaluator`; or a list of them.
        most_batches: evaluate no more than these; None: all.
        looks: test-time augmentation.
        gathered: context in which the models have their weights, given whether they keep them.
    """

    def __init__(
        self,
        models: Mapping[str, nn.Module],
        chosen: str,
        loader: Any,
        evaluator: Any,
        most_batches: int | None = None,
        looks: Looks = ONE_LOOK,
        gathered: Gathered = nullcontext,
    ) -> None:
        self.models = dict(models)
        self.chosen = chosen
        self.loader = loader
        self.evaluator = evaluator
        self.most_batches = most_batches
        self.looks = looks
        self.gathered = gathered

    def __call__(self, last: bool = True) -> Results:
        """Evaluate the chosen weights after a step, at the end of a training also the others.

        Args:
            last: whether this is the end.

        Returns:
            Results by task and metric, those of other weights as `<weights>/<task>`; empty in all
            processes but the main one.

        Raises:
            TrainingError: the weights are not finite.
        """
        with self.gathered(last):  # pictures and the report of a finished training want them, too
            return self._evaluate(last)

    def _evaluate(self, last: bool) -> Results:
        further = self.models.keys() - {self.chosen} if last else set()
        for name in (self.chosen, *further):
            on_main(partial(self._refuse_nonfinite, name))
        others = {}
        for name in further:
            results = self.of(name)
            others |= {f"{name}/{task}": metrics for task, metrics in results.items()}
        return {**self.of(self.chosen), **others}

    def of(self, name: str) -> Results:
        """Results of the weights of this name, which are known to be finite."""
        if len(self.models) > 1:
            logger.info("evaluating the %s weights", name)
        loader = self.loader
        if self.most_batches is not None:
            loader = list(islice(loader, self.most_batches))
        model = augmented(self.models[name], self.looks)
        return inference_on_dataset(model, loader, self.evaluator)

    @property
    def dataset(self) -> Any:
        """Of the loader, if it tells."""
        return getattr(self.loader, "dataset", None)

    def draw(self, folder: Path) -> Path | None:
        """Pictures of predictions; None where the dataset is not one that can be drawn."""
        if getattr(self.dataset, "class_names", None) is None:
            return None
        from aligndetr.visualization import save_prediction_pictures

        return save_prediction_pictures(self.models[self.chosen], self.loader, folder)

    def _refuse_nonfinite(self, name: str) -> None:
        problem = describe_nonfinite_model(self.models[name])
        if problem:
            raise TrainingError(f"the {name} weights can detect nothing: {problem}")


def build_evaluation(
    config: DictConfig,
    models: Mapping[str, nn.Module],
    dataset: Any = None,
    gathered: Gathered = nullcontext,
) -> Evaluation | None:
    """The config's evaluation; None, with a warning, if it has no loader or no evaluator.

    Args:
        config: of the experiment.
        models: see `Evaluation`; `train.best.weights` chooses among them.
        dataset: of the test loader; None loads it.
        gathered: see `Evaluation`.

    Raises:
        ConfigError: `train.best.weights` names weights that there are not.
    """
    chosen = _chosen(config, models)
    for key in ("dataloader.test", "dataloader.evaluator"):
        if OmegaConf.select(config, key) is None:
            logger.warning("the config has no %s, so nothing is evaluated", key)
            return None
    dataset = load_dataset(config, "test") if dataset is None else dataset
    fast = OmegaConf.select(config, "train.fast_dev_run.enabled")
    return Evaluation(
        models,
        chosen,
        build_test_loader(config, dataset),
        build_evaluator(config, dataset),
        FAST_DEV_ITERS if fast else None,
        read_looks(config),
        gathered,
    )


def evaluation_of_training(
    config: DictConfig,
    dataset: Any,
    model: nn.Module,
    ema: ModelEMA | None,
    sharding: Sharding | None = None,
) -> Evaluation | None:
    """The evaluation of what is trained, be it sharded or not.

    Args:
        config: of the experiment.
        dataset: that is trained on.
        model, ema, sharding: what is trained.

    Raises:
        DataError: classes mean something else in the data that it is judged by.
    """
    if sharding is not None:
        evaluation = build_evaluation(config, sharding.whole, gathered=sharding.gathered)
    else:
        models = {"model": model} | ({"ema": ema.module} if ema else {})
        evaluation = build_evaluation(config, models)
    if evaluation is not None:
        check_same_classes(dataset, evaluation.dataset)
    return evaluation


def _chosen(config: DictConfig, models: Mapping[str, nn.Module]) -> str:
    chosen = OmegaConf.select(config, "train.best.weights")
    if chosen not in (None, "ema", "model"):
        raise ConfigError(f"train.best.weights={chosen!r}: choose ema, model or null")
    if chosen == "ema" and "ema" not in models:
        raise ConfigError("train.best.weights=ema needs train.model_ema.enabled=true")
    return chosen or ("ema" if "ema" in models else "model")
