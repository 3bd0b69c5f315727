"""Why a detector is wrong, how sure it is, and which threshold to ship: from stored predictions."""

from aligndetr.analysis.analysis import Analysis, analyze, jsonable, plain
from aligndetr.analysis.evaluator import AnalysisEvaluator
from aligndetr.analysis.matches import Matches, match

__all__ = ["Analysis", "AnalysisEvaluator", "Matches", "analyze", "jsonable", "match", "plain"]
