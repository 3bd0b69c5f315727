"""The doctor: what is wrong with a dataset, found before training."""

from aligndetr.doctor.advice import View, repeat_threshold
from aligndetr.doctor.examination import compare_classes, examine, find_leaks
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
    "format_finding",
    "format_report",
    "repeat_threshold",
]
