"""Which query answers for which object."""

from aligndetr.matchers.assignment import Assignment
from aligndetr.matchers.copies import LostCopies, lost_copies
from aligndetr.matchers.cost import (
    FocalCost,
    HighOrderCost,
    MatchingCost,
    PositionModulatedCost,
    ProbabilityCost,
    QualityCost,
)
from aligndetr.matchers.hungarian import HungarianMatcher
from aligndetr.matchers.matcher import Matcher, check_match_num
from aligndetr.matchers.mixed import MixedMatcher
from aligndetr.matchers.quality import QualityMatcher
from aligndetr.matchers.union import BoxAssignment, UnionOverLayers

__all__ = [
    "Assignment",
    "BoxAssignment",
    "FocalCost",
    "HighOrderCost",
    "HungarianMatcher",
    "LostCopies",
    "Matcher",
    "MatchingCost",
    "MixedMatcher",
    "PositionModulatedCost",
    "ProbabilityCost",
    "QualityCost",
    "QualityMatcher",
    "UnionOverLayers",
    "check_match_num",
    "lost_copies",
]
