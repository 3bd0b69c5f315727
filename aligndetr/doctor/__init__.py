"""The doctor: what is wrong with a dataset, found before training."""

from aligndetr.doctor.advice import View, repeat_threshold
from aligndetr.doctor.division import find_leaks, find_unions
from aligndetr.doctor.examination import compare_classes, examine
from aligndetr.doctor.findings import Finding, Report, format_finding, format_report
from aligndetr.doctor.pictures import draw_pictures

__all__ = [
    "Finding",
    "Report",
    "View",
    "compare_classes",
    "draw_pictures",
    "examine",
    "find_leaks",
    "find_unions",
    "format_finding",
    "format_report",
    "repeat_threshold",
]
