"""Settings that were tried for a first detector of own data, and the one that was chosen."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path

from omegaconf import DictConfig

from aligndetr.config import LazyCall as L
from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.data import Stage
from aligndetr.data import augmentation as T
from studies.training import ONE_PROCESS

BASE = "aligndetr_tiny"
SETTINGS = (*ONE_PROCESS, "dataloader.test.batch_size=1")

DISTORTIONS = (
    L(T.RandomPhotometricDistort)(),
    L(T.RandomIoUCrop)(scale=[0.5, 1.0], aspect_ratio=[0.75, 1.33]),
)


@dataclass(frozen=True)
class Trial:
    """A setting.

    Attributes:
        name: of its folder and row.
        words: for the table.
        steps: of the optimizer.
        lengths: shorter edge of images in training, smallest and largest, and in evaluation.
        overrides: of the base; of equals the last one counts.
        coarse: shorter edges up to half of the training, if others.
        distorted: colours are changed and parts cut out, but in the last tenth.
        of: the trial whose last weights are judged, where nothing else is trained.
        base: shipped config that it changes.
    """

    name: str
    words: str
    steps: int
    lengths: tuple[int, int, int] = (208, 272, 240)
    overrides: tuple[str, ...] = ()
    coarse: tuple[int, int] | None = None
    distorted: bool = False
    of: str | None = None
    base: str = BASE


_SMALLER_STEPS = (
    "dataloader.train.total_batch_size=4",
    "train.reference_batch_size=null",
    "model.num_queries=112",
    "train.model_ema.enabled=true",
    "train.model_ema.decay=0.998",
    "train.model_ema.warmup=100",
)
QUERIES = ("model.num_queries=112",)
STRIDES = (*QUERIES, "+model.pyramid.strides=[8,16,32]")
STRIDES_COARSE = Trial("strides-coarse", "both", 2300, (208, 272, 288), STRIDES, (144, 176))
INIT = Trial("init", "112 queries, judged at 288", 1845, (208, 272, 288), QUERIES)
SMALL = Trial(
    "small",
    "`aligndetr_r18_small`, 112 queries, rate 5e-4, 144 to 176 pixels at first, two threads",
    1700,
    (224, 288, 272),
    (*QUERIES, "train.num_threads=2", "dataloader.train.num_workers=1"),
    (144, 176),
    base="aligndetr_r18_small",
)
DISTORTED = replace(
    SMALL,
    name="small-distorted",
    words="small, k = 1, in bf16; colours changed and parts cut out up to the last tenth",
    steps=4000,
    overrides=(
        *SMALL.overrides,
        "model.criterion.match_num=[1,1,1,1]",
        "train.amp.enabled=true",
    ),
    distorted=True,
)
BATCH4 = Trial("batch4", "batch 4, 112 queries, moving average", 2400, overrides=_SMALLER_STEPS)


def _judged(trial: Trial, name: str, size: int) -> Trial:
    """The weights of a trial, judged at another size."""
    lengths, words = (*trial.lengths[:2], size), f"{trial.name}, judged at {size}"
    return replace(trial, name=name, words=words, lengths=lengths, of=trial.name)


_ALL = (
    Trial("before", "as shipped, 60 queries", 1845, overrides=("model.num_queries=60",)),
    INIT,
    *(_judged(INIT, f"init-at{size}", size) for size in (240, 272)),
    Trial(
        "init-coarse",
        "init, 144 to 176 pixels at first",
        2300,
        (208, 272, 288),
        QUERIES,
        (144, 176),
    ),
    Trial("strides", "init, features where the image has them", 1845, (208, 272, 288), STRIDES),
    STRIDES_COARSE,
    *(_judged(STRIDES_COARSE, f"at{size}", size) for size in (240, 256, 272)),
    BATCH4,
    *(_judged(BATCH4, f"batch4-at{size}", size) for size in (288, 320, 352)),
    SMALL,
    DISTORTED,
    *(_judged(DISTORTED, f"small-distorted-at{size}", size) for size in (256, 288)),
)
TRIALS = {trial.name: trial for trial in _ALL}
CHOSEN, CHOSEN_SMALL = "at256", "small-distorted-at256"


def trial_config(trial: Trial, data: Path, seed: int) -> DictConfig:
    """The config of a trial on a data set with the splits train and val."""
    config = LazyConfig.load(resolve_config(trial.base))
    smallest, largest, evaluated = trial.lengths
    loaders, distortions = config.dataloader, DISTORTIONS if trial.distorted else ()
    loaders.train.mapper.augmentation = [*distortions, *steps(smallest, largest)]
    loaders.train.mapper.augmentation_with_crop = None
    loaders.test.mapper.augmentation = [L(T.ResizeShortestEdge)(short_edge_length=evaluated)]
    stages = []
    if trial.coarse:
        stages += [_stage(loaders, 0, 0.5, [*distortions, *steps(*trial.coarse)])]
    if trial.distorted:
        stages += [_stage(loaders, 0.9, 1.0, steps(smallest, largest))]
    if stages:
        loaders.train.stages = stages
    given = [f"dataloader.train.dataset.path={data}", f"train.max_iter={trial.steps}"]
    given += [f"train.seed={seed}", *SETTINGS, *trial.overrides]
    return LazyConfig.apply_overrides(config, given)


def _stage(loaders: DictConfig, start: float, end: float, augmentation: list) -> DictConfig:
    mapper = copy.deepcopy(loaders.train.mapper)
    mapper.augmentation = augmentation
    return L(Stage)(start=start, end=end, mapper=mapper)


def steps(smallest: int, largest: int) -> list[DictConfig]:
    """Both flips, and a shorter edge between two lengths in pixels."""
    flips = [L(T.RandomFlip)(), L(T.RandomFlip)(horizontal=False, vertical=True)]
    return [*flips, L(T.ResizeShortestEdge)(short_edge_length=[smallest, largest])]
