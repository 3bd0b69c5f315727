"""Which query answers for which object."""

from aligndetr.matchers.assignment import Assignment
from aligndetr.matchers.cost import FocalCost, MatchingCost, ProbabilityCost
from aligndetr.matchers.mixed import HungarianMatcher, MixedMatcher

__all__ = [
    "Assignment",
    "FocalCost",
    "HungarianMatcher",
    "MatchingCost",
    "MixedMatcher",
    "ProbabilityCost",
]
