"""Datasets, loaders and evaluators of an experiment; each dataset is loaded once."""

from __future__ import annotations

import logging
import os
from typing import Any

from omegaconf import DictConfig, OmegaConf

from aligndetr.analysis import AnalysisEvaluator
from aligndetr.config import instantiate
from aligndetr.distributed import main_first, on_main
from aligndetr.engine.listed_parts import check_part
from aligndetr.engine.plan import Plan, whole_number
from aligndetr.engine.stored_config import stored_value
from aligndetr.errors import ConfigError, DataError, some
from aligndetr.evaluation import AlignmentEvaluator, DatasetEvaluator
from aligndetr.evaluation.data_places import MissingPlace, missing_place

logger = logging.getLogger(__name__)

MAX_IMAGES, DIAGNOSIS = "train.max_images", "train.diagnosis"
DIAGNOSES = {kind.task: kind for kind in (AlignmentEvaluator, AnalysisEvaluator)}


def load_dataset(
    config: DictConfig, split: str, checkpoint: str | os.PathLike | None = None
) -> Any:
    """What `dataloader.<split>.dataset` describes, or None; one process goes first, to prepare it.

    The number of classes and the length of a training follow from its `class_names` and
    `epoch_size`, where it has them. `train.max_images` leaves only so many to train on.

    Args:
        config: of the experiment.
        split: "train" or "test".
        checkpoint: whose config this may be, named in the error.

    Raises:
        ConfigError: the dataset cannot be limited so.
        DataError: it is not there, or broken.
    """
    key = f"dataloader.{split}.dataset"
    with main_first():
        try:
            dataset = instantiate(OmegaConf.select(config, key))
        except DataError as error:
            place = missing_place(config, key)
            if place is None:
                raise
            remedy = f"say where it is, {place.key}=..."
            told = place.explain(_source(place, checkpoint), remedy)
            raise DataError(f"{error}{told}") from error
    most = whole_number(config, MAX_IMAGES, None)
    return dataset if split != "train" or most is None else _limited(dataset, most)


def build_train_loader(config: DictConfig, dataset: Any, plan: Plan) -> Any:
    """The loader of micro-batches; if it has stages, it is told how many batches there are."""
    node = config.dataloader.train
    length = {"num_batches": plan.max_iter * plan.accumulation_steps} if node.get("stages") else {}
    size = plan.loader_batch_size
    return instantiate(node, total_batch_size=size, **length, **_given(node, dataset))


def build_test_loader(config: DictConfig, dataset: Any) -> Any:
    """The loader that evaluates each image once."""
    node = config.dataloader.test
    return instantiate(node, **_given(node, dataset))


def build_validation_loader(config: DictConfig, dataset: Any) -> Any:
    """The test loader with ground truth: same images, same augmentation.

    Args:
        config: of the experiment.
        dataset: of the test loader; None loads it.

    Raises:
        ConfigError: there is no dataset, or its mapper has no such mode.
    """
    node: Any = OmegaConf.select(config, "dataloader.test") or {}
    if "is_train" not in (node.get("mapper") or {}):
        raise ConfigError(
            "what is to be seen of the test images' objects (train.validation_loss, "
            "train.matching_stability, train.pictures, `aligndetr stability`) needs "
            "dataloader.test.mapper with is_train"
        )
    dataset = load_dataset(config, "test") if dataset is None else dataset
    mapper = instantiate(node.mapper, is_train=True)
    return instantiate(node, mapper=mapper, **_given(node, dataset))


def build_evaluator(config: DictConfig, dataset: Any) -> Any:
    """The evaluator, or the list of them; those that describe the test dataset get it.

    `train.diagnosis` adds some by their names, see `DIAGNOSES`, to those that the config describes.

    Raises:
        ConfigError: there is no such diagnosis.
        DataError: one of them cannot judge the dataset.
    """
    node, tested = config.dataloader.evaluator, config.dataloader.test.get("dataset")
    key = "dataloader.evaluator"
    nodes = (
        {f"{key}[{i}]": x for i, x in enumerate(node)} if OmegaConf.is_list(node) else {key: node}
    )
    own = [_evaluator(path, item, tested, dataset) for path, item in nodes.items()]
    tasks = {getattr(evaluator, "task", None) for evaluator in own}
    for name in OmegaConf.select(config, DIAGNOSIS) or ():
        if name not in DIAGNOSES:
            raise ConfigError(f"{DIAGNOSIS}: there is no {name!r}; choose {some(DIAGNOSES)}")
        if name not in tasks:
            own.append(DIAGNOSES[name](dataset))
    for evaluator in own:
        if isinstance(evaluator, DatasetEvaluator):
            on_main(evaluator.check_data)
    return own if len(own) > 1 else own[0]


def _source(place: MissingPlace, checkpoint: str | os.PathLike | None) -> str | None:
    """The config in a checkpoint, if it is that which says where data lie."""
    stored = stored_value(checkpoint, place.key) if checkpoint else None
    return f"the config in {checkpoint}" if stored == place.value else None


def _limited(dataset: Any, count: int) -> Any:
    if count < 1:
        raise ConfigError(f"{MAX_IMAGES}={count} leaves nothing to train on; null takes all images")
    if not hasattr(dataset, "random_subset"):
        kind = type(dataset).__name__
        raise ConfigError(f"{MAX_IMAGES} needs a dataset with random_subset; a {kind} has none")
    if count >= len(dataset):
        logger.info("%s=%d: all %d images are trained on", MAX_IMAGES, count, len(dataset))
        return dataset
    chosen = dataset.random_subset(count)
    logger.info("%s: %d of %d images are trained on", MAX_IMAGES, count, len(dataset))
    return chosen


def _evaluator(path: str, node: Any, tested: Any, dataset: Any) -> Any:
    same = OmegaConf.is_dict(node) and tested is not None and node.get("dataset") == tested
    evaluator = instantiate(node, **({"dataset": dataset} if same else {}))
    check_part(evaluator, path, DatasetEvaluator, ("reset", "process", "evaluate"))
    return evaluator


def _given(node: DictConfig, dataset: Any) -> dict[str, Any]:
    return {} if "dataset" not in node else {"dataset": dataset}
