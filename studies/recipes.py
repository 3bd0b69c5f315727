"""Settings that were tried for a first detector of own data, and the one that was chosen."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from aligndetr.config import LazyCall as L
from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.data import Stage
from aligndetr.data import augmentation as T

BASE = "aligndetr_tiny"
SETTINGS = (  # one process, whose processor time is then all that a run takes
    "train.num_threads=1",
    "train.eval_period=0",
    "train.checkpointer.period=250",
    "train.checkpointer.max_to_keep=1",
    "dataloader.train.num_workers=0",
    "dataloader.test.num_workers=0",
    "dataloader.test.batch_size=1",
)


@dataclass(frozen=True)
class Trial:
    """A setting.

    Attributes:
        name: of its folder and row.
        words: for the table.
        steps: of the optimizer.
        lengths: shorter edge of images in training, smallest and largest, and in evaluation.
        overrides: of `BASE`; of equals the last one counts.
        coarse: shorter edges up to half of the training, if others.
    """

    name: str
    words: str
    steps: int
    lengths: tuple[int, int, int] = (208, 272, 240)
    overrides: tuple[str, ...] = ()
    coarse: tuple[int, int] | None = None


BATCH4 = (
    "dataloader.train.total_batch_size=4",
    "train.reference_batch_size=null",
    "model.num_queries=112",
    "train.model_ema.enabled=true",
    "train.model_ema.decay=0.998",
    "train.model_ema.warmup=100",
)
_ALL = (
    Trial("before", "batch 8, 60 queries", 360, overrides=("model.num_queries=60",)),
    Trial("batch4", "batch 4, 112 queries, moving average 0.998", 650, overrides=BATCH4),
    Trial(
        "coarse",
        "batch4, 144 to 176 pixels in its first half",
        780,
        overrides=BATCH4,
        coarse=(144, 176),
    ),
    Trial(
        "batch2",
        "batch4 with 2 images a step, rate 2e-3",
        1250,
        overrides=(*BATCH4, "dataloader.train.total_batch_size=2", "optimizer.lr=2e-3"),
    ),
    Trial("full", "batch4, in full", 2400, overrides=BATCH4),
    Trial("slow", "batch4 at a rate of 1.5e-3", 650, overrides=(*BATCH4, "optimizer.lr=1.5e-3")),
)
TRIALS = {trial.name: trial for trial in _ALL}
CHOSEN = "full"


def trial_config(trial: Trial, data: Path, seed: int) -> DictConfig:
    """The config of a trial on a data set with the splits train and val."""
    config = LazyConfig.load(resolve_config(BASE))
    smallest, largest, evaluated = trial.lengths
    loaders = config.dataloader
    loaders.train.mapper.augmentation = steps(smallest, largest)
    loaders.test.mapper.augmentation = [L(T.ResizeShortestEdge)(short_edge_length=evaluated)]
    if trial.coarse:
        mapper = copy.deepcopy(loaders.train.mapper)
        mapper.augmentation = steps(*trial.coarse)
        loaders.train.stages = [L(Stage)(start=0, end=0.5, mapper=mapper)]
    given = [f"dataloader.train.dataset.path={data}", f"train.max_iter={trial.steps}"]
    given += [f"train.seed={seed}", *SETTINGS, *trial.overrides]
    return LazyConfig.apply_overrides(config, given)


def steps(smallest: int, largest: int) -> list[DictConfig]:
    """Both flips, and a shorter edge between two lengths in pixels."""
    flips = [L(T.RandomFlip)(), L(T.RandomFlip)(horizontal=False, vertical=True)]
    return [*flips, L(T.ResizeShortestEdge)(short_edge_length=[smallest, largest])]
