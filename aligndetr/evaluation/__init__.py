"""Metrics: one pass over the data, COCO's numbers and the paper's own diagnosis."""

from aligndetr.evaluation.alignment import AlignmentEvaluator
from aligndetr.evaluation.coco import COCOEvaluator
from aligndetr.evaluation.evaluator import DatasetEvaluator, DatasetEvaluators, Results
from aligndetr.evaluation.inference import inference_on_dataset
from aligndetr.evaluation.lvis import LVISEvaluator
from aligndetr.evaluation.report import copypaste_lines, results_table

__all__ = [
    "AlignmentEvaluator",
    "COCOEvaluator",
    "DatasetEvaluator",
    "DatasetEvaluators",
    "LVISEvaluator",
    "Results",
    "copypaste_lines",
    "inference_on_dataset",
    "results_table",
]
