"""The doctor: what is wrong with a dataset, found before training."""

from aligndetr.doctor.examination import compare_classes, examine, find_leaks
from aligndetr.doctor.findings import Finding, Report, format_finding, format_report

__all__ = [
    "Finding",
    "Report",
    "compare_classes",
    "examine",
    "find_leaks",
    "format_finding",
    "format_report",
]
