"""Which query answers for which object."""

from aligndetr.matchers.assignment import Assignment
from aligndetr.matchers.copies import LostCopies, lost_copies
from aligndetr.matchers.cost import FocalCost, MatchingCost, ProbabilityCost
from aligndetr.matchers.hungarian import HungarianMatcher, check_match_num
from aligndetr.matchers.mixed import MixedMatcher

__all__ = [
    "Assignment",
    "FocalCost",
    "HungarianMatcher",
    "LostCopies",
    "MatchingCost",
    "MixedMatcher",
    "ProbabilityCost",
    "check_match_num",
    "lost_copies",
]
