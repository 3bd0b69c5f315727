"""Datasets, loaders and evaluators of an experiment; each dataset is loaded once."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from aligndetr.config import instantiate
from aligndetr.distributed import main_first
from aligndetr.engine.plan import Plan
from aligndetr.errors import ConfigError


def load_dataset(config: DictConfig, split: str) -> Any:
    """What `dataloader.<split>.dataset` describes, or None; one process goes first, to prepare it.

    The number of classes and the length of a training follow from its `class_names` and
    `epoch_size`, where it has them.
    """
    with main_first():
        return instantiate(OmegaConf.select(config, f"dataloader.{split}.dataset"))


def build_train_loader(config: DictConfig, dataset: Any, plan: Plan) -> Any:
    """The loader of micro-batches."""
    node = config.dataloader.train
    return instantiate(node, total_batch_size=plan.loader_batch_size, **_given(node, dataset))


def build_test_loader(config: DictConfig, dataset: Any) -> Any:
    """The loader that evaluates each image once."""
    node = config.dataloader.test
    return instantiate(node, **_given(node, dataset))


def build_validation_loader(config: DictConfig, dataset: Any) -> Any:
    """The test loader with ground truth: same images, same augmentation.

    Raises:
        ConfigError: there is no dataset, or its mapper has no such mode.
    """
    node = OmegaConf.select(config, "dataloader.test") or {}
    if "is_train" not in (node.get("mapper") or {}):
        raise ConfigError("train.validation_loss needs dataloader.test.mapper with is_train")
    mapper = instantiate(node.mapper, is_train=True)
    return instantiate(node, mapper=mapper, **_given(node, dataset))


def build_evaluator(config: DictConfig, dataset: Any) -> Any:
    """The evaluator, or the list of them; those that describe the test dataset get it."""
    node, tested = config.dataloader.evaluator, config.dataloader.test.get("dataset")
    if OmegaConf.is_list(node):
        return [_evaluator(item, tested, dataset) for item in node]
    return _evaluator(node, tested, dataset)


def _evaluator(node: DictConfig, tested: Any, dataset: Any) -> Any:
    same = "dataset" in node and tested is not None and node.dataset == tested
    return instantiate(node, **({"dataset": dataset} if same else {}))


def _given(node: DictConfig, dataset: Any) -> dict[str, Any]:
    return {} if "dataset" not in node else {"dataset": dataset}
