"""Where the number of classes meets the data: config, dataset and checkpoint must agree on it."""

from __future__ import annotations

import logging
import os
from typing import Any

from omegaconf import DictConfig, OmegaConf

from aligndetr.config import instantiate
from aligndetr.errors import CheckpointError, ConfigError, DataError, UserError, some

logger = logging.getLogger(__name__)


def settle_num_classes(config: DictConfig, class_names: list[str] | None, source: str) -> None:
    """Give `model.num_classes` the number of classes, or check that it has it.

    Args:
        config: of the experiment; an entry that is None is filled in.
        class_names: those of the data; None: not known, nothing is done.
        source: named in the error.

    Raises:
        ConfigError: the config states another number.
    """
    if class_names is None or "num_classes" not in config.model:
        return
    stated = config.model.num_classes
    if stated is None:
        config.model.num_classes = len(class_names)
    elif stated != len(class_names):
        raise ConfigError(
            f"model.num_classes={stated}, but {source} has {len(class_names)} classes; use "
            f"model.num_classes={len(class_names)}, or null to take it from the data"
        )


def settle_by_checkpoint(
    config: DictConfig, stored: list[str] | None, path: str | os.PathLike
) -> list[str] | None:
    """Give `model.num_classes` the number of a checkpoint that is used without data of its own.

    A checkpoint that names its classes decides. Otherwise the config's number stands, the test
    dataset's where that is None, and the dataset names the classes if it has as many.

    Args:
        config: of the experiment.
        stored: class names in the checkpoint; None: it does not say.
        path: of the checkpoint, named in the error.

    Returns:
        The class names, as far as they are known.

    Raises:
        CheckpointError: nothing says how many there are.
    """
    if "num_classes" not in config.model:
        return stored
    if stored is None:
        stored = _names_of_test_data(config)
        if stored is not None and config.model.num_classes not in (None, len(stored)):
            return None
    if stored is not None:
        config.model.num_classes = len(stored)
    elif config.model.num_classes is None:
        raise CheckpointError(
            f"{path} does not name its classes, and the dataset of the config is not there; give "
            "their number: model.num_classes=N"
        )
    return stored


def _names_of_test_data(config: DictConfig) -> list[str] | None:
    """Of the config's test dataset; None if it is not there or does not know them."""
    node = OmegaConf.select(config, "dataloader.test.dataset")
    try:
        return getattr(instantiate(node), "class_names", None)
    except UserError:
        return None


def check_same_classes(trained: Any, tested: Any) -> None:
    """See that a class of the model means the same in the data that it is judged by.

    Further classes of those data are no mistake, if they come last: they count as not found.

    Args:
        trained, tested: datasets; one that does not name its classes is not compared.

    Raises:
        DataError: they name another class, or lack one.
    """
    mine, theirs = (getattr(dataset, "class_names", None) for dataset in (trained, tested))
    if mine is None or theirs is None or mine == theirs:
        return
    here, there = (getattr(data, "name", "the data") for data in (trained, tested))
    remedy = "both need the same categories, in the order of their ids; one may have no objects"
    for number, (name, other) in enumerate(zip(mine, theirs, strict=False)):
        if name != other:
            raise DataError(
                f"class {number} is {name!r} in {here}, which is trained on, and {other!r} in "
                f"{there}, which it is judged by, so that AP would be wrong: {remedy}"
            )
    if len(theirs) < len(mine):
        raise DataError(
            f"{there} does not have class {len(theirs)} of {here}, {mine[len(theirs)]!r}: what is "
            f"found of it could not be judged; {remedy}"
        )
    further = some(theirs[len(mine) :])
    logger.warning("%s has classes that %s lacks: %s; they count as missed", there, here, further)


def check_class_names(
    stored: list[str] | None, wanted: list[str] | None, path: str | os.PathLike
) -> None:
    """Compare the classes of a checkpoint with those of the data.

    Raises:
        CheckpointError: another number of classes, or the same in another order.
    """
    if stored is None or wanted is None or stored == wanted:
        return
    if len(stored) != len(wanted):
        raise CheckpointError(
            f"{path} knows {len(stored)} classes ({some(stored, 3)}), the dataset has "
            f"{len(wanted)} ({some(wanted, 3)}); evaluate with the data it was trained "
            "for, or fine-tune it with train.init_checkpoint"
        )
    if sorted(stored) == sorted(wanted):
        raise CheckpointError(
            f"{path} has the classes of the dataset in another order ({some(stored, 3)} instead of "
            f"{some(wanted, 3)}), so every result would be wrong; use the json it was trained with"
        )
    different = [f"{a} / {b}" for a, b in zip(stored, wanted, strict=True) if a != b]
    logger.warning("class names differ (checkpoint / dataset): %s", some(different, 3))
