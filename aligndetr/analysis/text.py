"""An analysis as text of 80 columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from aligndetr.analysis.analysis import Analysis
from aligndetr.analysis.bootstrap import Interval
from aligndetr.analysis.errors import KINDS
from aligndetr.analysis.slices import EDGES, Slice
from aligndetr.evaluation.alignment import alignment_metrics
from aligndetr.evaluation.report import text_table

MOST_CONFUSED = 5
Headings = list[tuple[str, str]]


def format_analysis(analysis: Analysis, title: str) -> str:
    """All tables, below each other.

    Args:
        analysis: of a detector on a dataset.
        title: the first line.
    """
    parts = [
        [title],
        _summary(analysis),
        _classes(analysis),
        _errors(analysis),
        _confused(analysis),
        *(_slices(name, parts) for name, parts in analysis.slices.items()),
        _calibration(analysis),
        _alignment(analysis),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _summary(analysis: Analysis) -> list[str]:
    rows = []
    for name, value in analysis.metrics.items():
        interval = analysis.intervals.get(name)
        if "-" not in name:
            rows.append([name, _number(value), _range(interval) if interval else ""])
    return [
        "COCO's numbers, and where they may lie by the choice of the images (95 %)",
        *_table(["", "%", "interval"], rows),
    ]


def _classes(analysis: Analysis) -> list[str]:
    rows = []
    for curve, f1, lrp in zip(analysis.curves, analysis.f1, analysis.lrp, strict=True):
        precision, recall = curve.operated_at(f1.threshold)
        shares = (_number(100 * share) for share in (f1.value, precision, recall, lrp.value))
        interval = _range(analysis.intervals[f"AP-{curve.name}"])
        average = _number(analysis.metrics[f"AP-{curve.name}"])
        row = [curve.name[:18], str(curve.objects), average, interval]
        rows.append([*row, f"{f1.threshold:.2f}", *shares])
    headings = ["class", "objects", "AP", "interval", "from", "F1", "prec.", "recall", "oLRP"]
    return [
        "Classes; from: the score with the best F1 at IoU 0.5, and what it gives",
        *_table(headings, rows),
    ]


def _errors(analysis: Analysis) -> list[str]:
    errors = analysis.errors
    rows = [
        [KINDS[kind], str(errors.counts[kind]), f"{errors.cost[kind]:.1f}"]
        for kind in sorted(KINDS, key=lambda kind: -errors.cost[kind])
    ]
    rows += [
        ["all detections of nothing", "", f"{errors.false_positives:.1f}"],
        ["all missed objects", "", f"{errors.false_negatives:.1f}"],
    ]
    return [
        f"Errors (TIDE) and the AP50 that each kind costs; AP50 is {_number(errors.base)}",
        *_table(["kind", "count", "AP50"], rows),
    ]


def _confused(analysis: Analysis) -> list[str]:
    """The classes that are most often taken for others."""
    names, counts = analysis.confusion.names, analysis.confusion.counts[:-1, :-1]
    pairs = sorted(np.argwhere(counts > 0).tolist(), key=lambda pair: -counts[tuple(pair)])
    pairs = [pair for pair in pairs if pair[0] != pair[1]][:MOST_CONFUSED]
    if not pairs:
        return []
    rows = [[names[truth], names[found], str(counts[truth, found])] for truth, found in pairs]
    headings = [("is", "left"), ("taken for", "left"), ("count", "right")]
    return ["Classes taken for others, above the thresholds", *text_table(headings, rows)]


def _slices(name: str, parts: Sequence[Slice]) -> list[str]:
    rows = [
        [
            part.label,
            str(part.objects),
            *(_number(100 * value) for value in (part.recall[0], part.recall[5], part.average)),
        ]
        for part in parts
        if part.objects
    ]
    title = f"Recall by {name}: {EDGES[name][1]}"
    return [title, *_table([name, "objects", "IoU .50", "IoU .75", "average"], rows)] * bool(rows)


def _calibration(analysis: Analysis) -> list[str]:
    states = {"as it is": analysis.calibration.before, **analysis.calibration.after}
    rows = [
        [name, *(_number(100 * value) for value in (state.laece, state.ece, state.oce))]
        for name, state in states.items()
    ]
    return [
        "Calibration errors above the thresholds, %; fitted on half of the images",
        *_table(["scores", "LaECE", "ECE", "OCE"], rows),
    ]


def _alignment(analysis: Analysis) -> list[str]:
    figures = alignment_metrics(analysis.alignment)
    return [
        "Alignment: is the box that fits best also the most confident one? (%)",
        *_table(list(figures), [[_number(value) for value in figures.values()]]),
    ]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, the others to the right."""
    sides = ["left", *["right"] * (len(headings) - 1)]
    return text_table(list(zip(headings, sides, strict=True)), rows)


def _range(interval: Interval) -> str:
    return "" if math.isnan(interval.low) else f"{interval.low:.1f} to {interval.high:.1f}"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f}"
