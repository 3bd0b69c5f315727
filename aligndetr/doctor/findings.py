"""What an examination of a dataset brings to light."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field

import numpy as np

from aligndetr.data.formats import Reading, Source


@dataclass
class Finding:
    """One kind of defect.

    Attributes:
        level: "error" when training or evaluation would stop or be wrong, else "warning".
        title: what is wrong, in words.
        examples: one line per occurrence: file names or ids.
    """

    level: str
    title: str
    examples: list[str]


@dataclass
class Report:
    """What the doctor found in one dataset.

    Attributes:
        name: the dataset.
        facts: (label, text) lines that describe it.
        findings: defects, errors and warnings.
        class_names: by ascending category id; empty when the file cannot be read.
        fingerprints: digest of the pixels -> file name, for finding leaks between datasets.
        looks: file name -> (64,) bool perceptual hash, for finding images that are nearly equal.
        reading: the dataset; None when it cannot be read.
        source: where the dataset is; None when nobody looked.
    """

    name: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    class_names: list[str] = field(default_factory=list)
    fingerprints: dict[bytes, str] = field(default_factory=dict)
    looks: dict[str, np.ndarray] = field(default_factory=dict)
    reading: Reading | None = None
    source: Source | None = None

    def count(self, level: str) -> int:
        """Kinds of defects of a level."""
        return sum(finding.level == level for finding in self.findings)

    def add(self, level: str, title: str, examples: list[str]) -> None:
        """Note a defect, if there are occurrences of it."""
        if examples:
            self.findings.append(Finding(level, title, examples))


def format_report(report: Report, num_examples: int = 5, width: int = 80) -> str:
    """The report as plain text.

    Args:
        report: what was found.
        num_examples: occurrences named for each finding.
        width: columns of the terminal.
    """
    lines = [report.name]
    for label, text in report.facts:
        lines += _wrapped(f"  {label:<12} ", text, width)
    if report.facts:
        lines.append("")
    for finding in sorted(report.findings, key=lambda finding: finding.level):
        lines += format_finding(finding, num_examples, width)
    lines.append(f"  {_counted(report.count('error'), 'error')}, "
                 f"{_counted(report.count('warning'), 'warning')}")  # fmt: skip
    return "\n".join(lines)


def format_finding(finding: Finding, num_examples: int = 5, width: int = 80) -> list[str]:
    """Lines of one finding: level, how often, what, and the first occurrences."""
    title = f"{len(finding.examples)} x {finding.title}"
    lines = _wrapped(f"  {finding.level:<8} ", title, width)
    for example in finding.examples[:num_examples]:
        lines += _wrapped("             ", example, width)
    hidden = len(finding.examples) - num_examples
    if hidden > 0:
        lines.append(f"             ... and {hidden} more")
    return lines


def _wrapped(start: str, text: str, width: int) -> list[str]:
    indent = " " * len(start)
    return textwrap.wrap(
        text, width, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
