"""What the study of alignment trains: arms, the data they learn from, splits and budget."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from omegaconf import DictConfig

from aligndetr.analysis.evaluator import AnalysisEvaluator
from aligndetr.config import LazyCall as L
from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.config.nodes import to_plain
from aligndetr.evaluation import AlignmentEvaluator, COCOEvaluator, DatasetEvaluators
from studies.page import Row
from studies.recipes import CHOSEN, QUERIES, SETTINGS, TRIALS, trial_config

RATES = (1.5e-3, 3e-3, 6e-3)
TUNING_SEED = 100
SHARED = ("model.postprocess.num_select=300",)  # the diagnosis looks at unlikely candidates, too


@dataclass(frozen=True)
class Arm:
    """One method.

    Attributes:
        name: of its folder and rows.
        words: for tables.
        config: shipped config whose parts it takes; all of one size and one base.
        overrides: of that config.
    """

    name: str
    words: str
    config: str
    overrides: tuple[str, ...] = ()


ARMS = (
    Arm("dino", "focal, k = 1 (DINO)", "dino_tiny"),
    Arm(
        "align-k1",
        "IA-BCE, k = 1",
        "aligndetr_tiny",
        ("model.criterion.match_num=[1,1,1,1]",),
    ),
    Arm("align-k2", "IA-BCE, k = 2 (AlignDETR)", "aligndetr_tiny"),
    Arm("mal", "MAL, k = 1 (DEIM's)", "dino_mal_tiny"),
    Arm("varifocal", "varifocal, k = 1 (RT-DETR's)", "dino_varifocal_tiny"),
    Arm("stable", "stable matching (Stable-DINO)", "dino_stable_tiny"),
)
QUESTIONS = (  # title, the arm to compare with, the others
    ("DINO or AlignDETR", "dino", ("align-k1", "align-k2")),
    ("What a second query an object adds", "align-k1", ("align-k2",)),
    ("Other losses and costs, one query an object", "dino", ("mal", "varifocal", "stable")),
)


@dataclass(frozen=True)
class Study:
    """Data and budget.

    Attributes:
        name: of the results' file and of the section's folder.
        config: of an arm, the path of the data and a seed: all but length, rate and split.
        tuning, reported: splits; learning rates are chosen on `tuning` only.
        split_key: where a config says on which split it is evaluated.
        steps, tuning_steps: optimizer steps of a run.
        seeds: of the reported runs.
        rates: learning rates from which each arm's is chosen.
        arms: what is trained.
    """

    name: str
    config: Callable[[Arm, Path | None, int], DictConfig]
    tuning: str
    reported: str
    split_key: str
    steps: int = 2300
    tuning_steps: int = 766
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    rates: tuple[float, ...] = RATES
    arms: tuple[Arm, ...] = ARMS


def of_photographs(arm: Arm, data: Path | None, seed: int) -> DictConfig:
    """The recipe of docs/first_detector.md for a data set with the splits train, val and test."""
    trial = replace(TRIALS[CHOSEN], base=arm.config)
    return trial_config(trial, data, seed)


def of_shapes(arm: Arm, data: Path | None, seed: int) -> DictConfig:
    """The harder drawn shapes, as the tiny configs train, with queries for all their objects."""
    config = LazyConfig.load(resolve_config(arm.config))
    words = (*SETTINGS, *QUERIES, "dataloader.train.dataset.names=shapes_hard_train")
    return LazyConfig.apply_overrides(config, [*words, f"train.seed={seed}"])


_PHOTOGRAPHS = Study(
    "photographs",
    of_photographs,
    tuning="val",
    reported="test",
    split_key="dataloader.test.dataset.split",
)
_SHAPES = Study(
    "shapes",
    of_shapes,
    tuning="shapes_hard_dev",
    reported="shapes_hard_val",
    split_key="dataloader.test.dataset.names",
)
STUDIES = {study.name: study for study in (_PHOTOGRAPHS, _SHAPES)}


@dataclass(frozen=True)
class Job:
    """One run of a study.

    Attributes:
        arm: what is trained.
        rate: its learning rate.
        seed: of weights, order and draws.
        tuning: whether the run chooses a rate, or is reported.
    """

    arm: Arm
    rate: float
    seed: int
    tuning: bool = False

    @property
    def folder(self) -> str:
        """Of the run, inside that of the study."""
        if self.tuning:
            return f"tuning/{self.arm.name}_{self.rate:g}"
        return f"{self.arm.name}/seed{self.seed}"


def run_config(study: Study, job: Job, data: Path | None) -> DictConfig:
    """The config of one run, all but its folder."""
    config = study.config(job.arm, data, job.seed)
    dataset = "${dataloader.test.dataset}"
    config.dataloader.evaluator = L(DatasetEvaluators)(
        evaluators=[
            L(COCOEvaluator)(dataset=dataset, output_dir="${train.output_dir}"),
            L(AlignmentEvaluator)(dataset=dataset),
            L(AnalysisEvaluator)(dataset=dataset),
        ]
    )
    words = (
        f"optimizer.lr={job.rate}",
        f"train.max_iter={study.tuning_steps if job.tuning else study.steps}",
        f"{study.split_key}={study.tuning if job.tuning else study.reported}",
    )
    return LazyConfig.apply_overrides(config, [*SHARED, *job.arm.overrides, *words])


def digest(config: DictConfig) -> str:
    """Of all that a run learns by; where its data and its folder lie does not matter."""
    plain = to_plain(config)
    loaders, folder = plain["dataloader"], plain["train"]
    loaders.pop("evaluator")
    folder.pop("output_dir")
    for split in ("train", "test"):
        loaders[split]["dataset"].pop("path", None)
    text = json.dumps(plain, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def best_rate(rows: Sequence[Row], arm: str) -> float:
    """The rate with the highest AP on the tuning split; the lower one of equals."""
    tried = [row for row in rows if row["arm"] == arm and row["tuning"]]
    return max(tried, key=lambda row: (row["metrics"]["bbox/AP"], -row["rate"]))["rate"]
