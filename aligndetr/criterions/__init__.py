"""Losses."""

from aligndetr.criterions.align import AlignLoss
from aligndetr.criterions.focal import FocalLoss
from aligndetr.criterions.set_criterion import DenoisedPredictions, SetCriterion

__all__ = ["AlignLoss", "DenoisedPredictions", "FocalLoss", "SetCriterion"]
