"""What the study of alignment trains: arms, settings they share, splits and budget."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from omegaconf import DictConfig

from aligndetr.config import LazyCall as L
from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.criterions import align_loss, focal_loss, varifocal_loss
from aligndetr.evaluation import AlignmentEvaluator, COCOEvaluator, DatasetEvaluators

PARTS = ("train", "test")
BASE = "aligndetr_tiny"
START = "dino_tiny"
SHARED = {  # overrides of BASE; everything that no arm changes
    "model.num_queries": 84,  # 3 copies of 14 objects take no more than half of them
    "model.backbone.freeze_at": 2,  # stem and first stage stay as they were pretrained
    "model.postprocess.num_select": 300,  # the diagnosis looks at unlikely candidates, too
    "dataloader.train.total_batch_size": 8,
    "dataloader.train.num_workers": 0,
    "dataloader.test.num_workers": 0,
    "train.num_threads": 1,
    "train.eval_period": 0,
    "train.checkpointer.period": 100,
    "train.checkpointer.max_to_keep": 1,
    "train.best.metric": "bbox/AP",
}
LOSSES = {
    "focal": L(focal_loss)(alpha=0.25, gamma=2.0),
    "IA-BCE": L(align_loss)(alpha=0.25, gamma=2.0, tau=1.5),
    "varifocal": L(varifocal_loss)(alpha=0.75, gamma=2.0),
}


@dataclass(frozen=True)
class Arm:
    """One method.

    Attributes:
        name: of its folder and rows.
        loss: key of `LOSSES`.
        k: queries an object may get, for the proposals and all decoder layers but the last.
        tau: of IA-BCE, if not the published one.
    """

    name: str
    loss: str
    k: int
    tau: float | None = None


ARMS = (
    Arm("dino", "focal", 1),
    Arm("align-k1", "IA-BCE", 1),
    Arm("align-k2", "IA-BCE", 2),
    Arm("align-k3", "IA-BCE", 3),
    Arm("align-k2-tau3", "IA-BCE", 2, 3.0),
    Arm("varifocal-k1", "varifocal", 1),
    Arm("focal-k2", "focal", 2),
    Arm("varifocal-k2", "varifocal", 2),
)
QUESTIONS = (  # title, the arm to compare with, the others
    ("DINO or AlignDETR", "dino", ("align-k2",)),
    ("How many queries an object", "align-k1", ("align-k2", "align-k3")),
    ("How fast weights fall with the rank", "align-k2", ("align-k2-tau3",)),
    ("Which loss, one-to-one", "dino", ("align-k1", "varifocal-k1")),
    ("Which loss, one-to-many", "focal-k2", ("align-k2", "varifocal-k2")),
)


@dataclass(frozen=True)
class Study:
    """Splits and budget.

    Attributes:
        arms: what is trained.
        train, tuning, reported: splits; learning rates are chosen on `tuning` only.
        iterations, tuning_iterations: optimizer steps of a run.
        seeds: of the reported runs.
        tuning_seed: of the runs that choose a learning rate.
        rates: learning rates to choose from, for each loss.
        tuned: the arm on which a loss's rate is chosen.
        start_iterations: of the pretraining; None: as many as its config says.
        start_split: what it trains on, None: what its config says.
    """

    arms: tuple[Arm, ...] = ARMS
    train: str = "shapes_hard_train"
    tuning: str = "shapes_hard_dev"
    reported: str = "shapes_hard_val"
    iterations: int = 400
    tuning_iterations: int = 200
    seeds: tuple[int, ...] = (0, 1, 2)
    tuning_seed: int = 100
    rates: tuple[float, ...] = (2e-3, 4e-3, 8e-3)
    tuned: tuple[str, ...] = ("dino", "align-k2", "varifocal-k1")
    start_iterations: int | None = None
    start_split: str | None = None

    def arm(self, name: str) -> Arm:
        """The arm of this name."""
        return next(arm for arm in self.arms if arm.name == name)


SMOKE = Study(
    arms=(ARMS[0], ARMS[2]),
    train="shapes_mini_train",
    tuning="shapes_mini_train",
    reported="shapes_mini_val",
    iterations=2,
    tuning_iterations=1,
    seeds=(0,),
    rates=(1e-3,),
    tuned=("dino", "align-k2"),
    start_iterations=1,
    start_split="shapes_mini_train",
)


def start_config(study: Study) -> DictConfig:
    """The pretraining of the backbone: DINO on the plain demo set."""
    values = {"train.num_threads": 1}
    if study.start_iterations is not None:
        values["train.max_iter"] = study.start_iterations
    if study.start_split is not None:
        values |= {f"dataloader.{part}.dataset.names": study.start_split for part in PARTS}
    return _load(START, values)


def run_config(study: Study, arm: Arm, rate: float, seed: int, tuning: bool) -> DictConfig:
    """The config of one run, all but its folder and the weights that it starts from."""
    values = SHARED | {
        "dataloader.train.dataset.names": study.train,
        "dataloader.test.dataset.names": study.tuning if tuning else study.reported,
        "optimizer.lr": rate,
        "train.seed": seed,
        "train.max_iter": study.tuning_iterations if tuning else study.iterations,
        "model.criterion.match_num": [arm.k, arm.k, arm.k, 1],
    }
    config = _load(BASE, values)
    loss = copy.deepcopy(LOSSES[arm.loss])
    if arm.tau is not None:
        loss.tau = arm.tau
    config.model.criterion.classification = loss
    config.dataloader.evaluator = L(DatasetEvaluators)(
        evaluators=[
            L(COCOEvaluator)(dataset="${dataloader.test.dataset}"),
            L(AlignmentEvaluator)(dataset="${dataloader.test.dataset}"),
        ]
    )
    return config


def _load(name: str, values: dict) -> DictConfig:
    config = LazyConfig.load(resolve_config(name))
    return LazyConfig.apply_overrides(config, [f"{key}={value}" for key, value in values.items()])
