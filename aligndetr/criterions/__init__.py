"""Losses."""

from aligndetr.criterions.align import AlignLoss
from aligndetr.criterions.focal import FocalLoss
from aligndetr.criterions.hybrid import HybridCriterion
from aligndetr.criterions.no_object import NoObjectCrossEntropy
from aligndetr.criterions.set_criterion import DenoisedPredictions, SetCriterion
from aligndetr.criterions.varifocal import VarifocalLoss

__all__ = [
    "AlignLoss",
    "DenoisedPredictions",
    "FocalLoss",
    "HybridCriterion",
    "NoObjectCrossEntropy",
    "SetCriterion",
    "VarifocalLoss",
]
