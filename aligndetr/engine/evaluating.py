"""Evaluating a model for an experiment, and what is left of it in the run's folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torch import nn

from aligndetr.distributed import is_main, main_first
from aligndetr.engine import building
from aligndetr.engine.plan import FAST_DEV_ITERS
from aligndetr.evaluation import inference_on_dataset
from aligndetr.files import atomic_write

logger = logging.getLogger(__name__)

Results = Mapping[str, Mapping[str, float]]


class Evaluation:
    """Test loader and evaluator of an experiment.

    Args:
        loader: yields the batches of this process, once.
        evaluator: see `aligndetr.evaluation.DatasetEvaluator`.
        most_batches: evaluate no more than these; None: all.
    """

    def __init__(self, loader: Any, evaluator: Any, most_batches: int | None = None) -> None:
        self.loader = loader
        self.evaluator = evaluator
        self.most_batches = most_batches

    @classmethod
    def from_config(cls, config: DictConfig) -> Evaluation | None:
        """The config's evaluation; None, with a warning, if it has no loader or no evaluator."""
        for key in ("dataloader.test", "dataloader.evaluator"):
            if OmegaConf.select(config, key) is None:
                logger.warning("the config has no %s, so nothing is evaluated", key)
                return None
        with main_first():
            dataset = building.build_dataset(config, "test")
        building.keep_dataset(config, "test", dataset)
        fast = OmegaConf.select(config, "train.fast_dev_run.enabled")
        loader = building.instantiate(config.dataloader.test)
        evaluator = building.instantiate(config.dataloader.evaluator)
        return cls(loader, evaluator, FAST_DEV_ITERS if fast else None)

    @property
    def class_names(self) -> list[str] | None:
        """Of the dataset, if it knows them."""
        return getattr(getattr(self.loader, "dataset", None), "class_names", None)

    def run(self, model: nn.Module) -> Results:
        """Results by task and metric; empty in all processes but the main one."""
        loader = self.loader
        if self.most_batches is not None:
            loader = list(islice(loader, self.most_batches))
        return inference_on_dataset(model, loader, self.evaluator)

    def draw(self, model: nn.Module, folder: Path) -> Path | None:
        """Pictures of predictions; None where the dataset is not one that can be drawn."""
        if self.class_names is None or not is_main():
            return None
        from aligndetr.visualization import save_prediction_pictures

        return save_prediction_pictures(model, self.loader, folder)


def write_results(results: Results, folder: Path) -> None:
    """All numbers as `results.json`."""
    with atomic_write(folder / "results.json") as file:
        json.dump(results, file, indent=1)


def last_line(results: Results, folder: Path) -> str:
    """`bbox AP 71.3 AP50 88.0 -> output/run`."""
    parts = [
        f"{task} " + " ".join(f"{n} {metrics[n]:.1f}" for n in ("AP", "AP50") if n in metrics)
        for task, metrics in results.items()
        if "AP" in metrics and "/" not in task  # other weights than the chosen ones have a "/"
    ]
    return f"{' '.join(parts) or 'nothing was evaluated'} -> {folder}"
