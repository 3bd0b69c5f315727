"""Losses."""

from aligndetr.criterions.box_weights import BoxWeights, EqualBoxWeights, GoalBoxWeights
from aligndetr.criterions.classification import (
    Classification,
    Classified,
    SigmoidClassification,
    align_loss,
    focal_loss,
    varifocal_loss,
)
from aligndetr.criterions.comparison import Comparison, DenoisedPredictions, Pairs
from aligndetr.criterions.hybrid_criterion import HybridCriterion
from aligndetr.criterions.no_object import NoObjectCrossEntropy, check_no_object
from aligndetr.criterions.score_targets import (
    AlignTarget,
    BestIoUTarget,
    GIoUTarget,
    IoUTarget,
    OneTarget,
    RankWeights,
)
from aligndetr.criterions.set_criterion import SetCriterion
from aligndetr.criterions.weightings import (
    AlignWeighting,
    FocalWeighting,
    MatchabilityWeighting,
    QualityFocalWeighting,
    VarifocalWeighting,
)

__all__ = [
    "AlignTarget",
    "AlignWeighting",
    "BestIoUTarget",
    "BoxWeights",
    "Classification",
    "Classified",
    "Comparison",
    "DenoisedPredictions",
    "EqualBoxWeights",
    "FocalWeighting",
    "GIoUTarget",
    "GoalBoxWeights",
    "HybridCriterion",
    "IoUTarget",
    "MatchabilityWeighting",
    "NoObjectCrossEntropy",
    "OneTarget",
    "Pairs",
    "QualityFocalWeighting",
    "RankWeights",
    "SetCriterion",
    "SigmoidClassification",
    "VarifocalWeighting",
    "align_loss",
    "check_no_object",
    "focal_loss",
    "varifocal_loss",
]
