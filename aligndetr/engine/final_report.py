"""The report that a training leaves at its end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from aligndetr.analysis.stored import dataset_of_run
from aligndetr.config import instantiate
from aligndetr.engine.evaluating import Evaluation
from aligndetr.explanation.inspection_record import inspect_record
from aligndetr.files import atomic_write
from aligndetr.report import REPORT_FILE, reported_run, run_page
from aligndetr.report.run_page import Inspect

KEY = "train.report.enabled"

logger = logging.getLogger(__name__)


def write_report(folder: Path, config: DictConfig, evaluation: Evaluation | None) -> Path | None:
    """Write `report.html`, unless `train.report.enabled` is false.

    Whatever goes wrong is one line of the log: the training has succeeded.

    Args:
        folder: of the run, with its results.
        config: of the run.
        evaluation: what it was judged by.

    Returns:
        The page, or None if there is none.
    """
    if not OmegaConf.select(config, KEY, default=True):
        return None
    path = folder / REPORT_FILE
    try:
        run = reported_run(folder, _finder(evaluation), running=False)
        page = run_page(run, _inspector(config, evaluation))
        with atomic_write(path) as file:
            file.write(page)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        logger.warning("no report: %s; `aligndetr report %s` tries again", reason, folder)
        logger.debug("no report", exc_info=True)
        return None
    return path


def _finder(evaluation: Evaluation | None) -> Callable[[Path], Any]:
    """What finds the data that the run was judged by: those that are open, if they are ours."""
    dataset = evaluation.dataset if evaluation else None
    if getattr(dataset, "class_names", None) is None:
        return dataset_of_run
    return lambda folder: dataset


def _inspector(config: DictConfig, evaluation: Evaluation | None) -> Inspect | None:
    """What looks into the weights that were judged, while they look at a record's image."""
    mapper = OmegaConf.select(config, "dataloader.test.mapper")
    if evaluation is None or mapper is None:
        return None
    model = evaluation.models[evaluation.chosen]
    return partial(inspect_record, model, instantiate(mapper))
