"""Pictures of an analysis: thresholds, precision, confusion, reliability."""

from __future__ import annotations

import os

import numpy as np

from aligndetr.analysis.analysis import Analysis
from aligndetr.analysis.curves import Curve
from aligndetr.files import atomic_write
from aligndetr.visualization.curves import COLORS, finish_panel

MOST_CLASSES = 12


def draw_analysis(analysis: Analysis, output_png: str | os.PathLike) -> None:
    """Draw F1 against the threshold, precision against recall, confusion and reliability.

    Of many classes, the curves of those with the most objects are drawn.

    Args:
        analysis: of a detector on a dataset.
        output_png: the picture; needs no display.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 9), layout="constrained")
    (thresholds, precision, scatter), (matrix, diagram, layout) = figure.subplots(2, 3)
    shown = sorted((c for c in analysis.curves if c.objects), key=lambda c: -c.objects)
    for place, curve in enumerate(shown[:MOST_CLASSES]):
        color, best = COLORS[place % len(COLORS)], analysis.f1[analysis.curves.index(curve)]
        style = ("-", "--")[place // len(COLORS)]
        _steps(thresholds, curve, color, style, f"{curve.name} ({best.threshold:.2f})")
        thresholds.plot(best.threshold, best.value, "o", color=color, markersize=5)
        precision.plot(curve.recall, curve.precision, style, color=color, label=curve.name)
    for axes, title, label in (
        (thresholds, "F1 and its best threshold", "lowest score that counts"),
        (precision, "precision against recall, IoU 0.5", "recall"),
    ):
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        finish_panel(axes, title)
        axes.set_xlabel(label)
    _confusion(matrix, analysis)
    _reliability(diagram, analysis)
    _alignment(scatter, analysis)
    _slices(layout, analysis)
    with atomic_write(output_png, "wb") as file:
        figure.savefig(file, format="png", dpi=110)


def _steps(axes, curve: Curve, color: str, style: str, label: str) -> None:
    """F1 from the highest score down; a threshold between two scores keeps the higher one."""
    score, f1 = np.append(1.0, curve.score), np.append(0.0, curve.f1)
    score, f1 = np.append(score, 0.0), np.append(f1, f1[-1])
    axes.plot(score, f1, style, color=color, label=label, drawstyle="steps-post")


def _confusion(axes, analysis: Analysis) -> None:
    names = [*analysis.confusion.names, "nothing"]
    counts = analysis.confusion.counts
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(names) <= MOST_CLASSES:
        places = range(len(names))
        axes.set_xticks(places, names, rotation=30, ha="right")
        axes.set_yticks(places, names)
        for row, column in np.ndindex(*counts.shape):
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, counts[row, column], ha="center", va="center", color=color)
    axes.set(xlabel="found as", ylabel="is")
    axes.set_title("confusion above the thresholds, IoU 0.5", loc="left", fontweight="bold")


def _reliability(axes, analysis: Analysis) -> None:
    diagram = analysis.calibration.before.diagram
    full = diagram.count > 0
    width = 1 / len(diagram.count)
    centre = (np.flatnonzero(full) + 0.5) * width
    axes.bar(centre, diagram.quality[full], width * 0.9, color=COLORS[0], label="mean IoU")
    axes.plot([0, 1], [0, 1], color="0.4", linewidth=1, label="score = IoU")
    share = diagram.count / max(diagram.count.sum(), 1)
    axes.step(centre, share[full], where="mid", color=COLORS[1], label="share of the detections")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    finish_panel(axes, "reliability above the thresholds")
    axes.set_xlabel("score")


def _alignment(axes, analysis: Analysis) -> None:
    """One point an object: the score and the overlap of its most confident detection."""
    alignment = analysis.alignment
    behind = alignment.rank > 0  # another detection fits better
    for chosen, color, label in (
        (alignment.rank == 0, COLORS[0], "fits best too"),
        (behind, COLORS[1], "another one fits better"),
    ):
        count = f"{label} ({chosen.sum()})"
        place = alignment.top_score[chosen], alignment.top_iou[chosen]
        axes.plot(*place, ".", color=color, markersize=4, alpha=0.5)
        axes.plot([], [], ".", color=color, markersize=12, label=count)  # seen in the legend
    axes.set(xlim=(0, 1), ylim=(0.4, 1.02))
    finish_panel(axes, "the most confident detection of each object")
    axes.set(xlabel="score", ylabel="IoU")


def _slices(axes, analysis: Analysis) -> None:
    """Recall at IoU 0.5 of each range, one line an attribute."""
    for place, (name, parts) in enumerate(analysis.slices.items()):
        known = [(index, part) for index, part in enumerate(parts) if part.objects]
        steps = [index / (len(parts) - 1) for index, _ in known]
        recall = [part.recall[0] for _, part in known]
        axes.plot(steps, recall, "o-", color=COLORS[place], label=name)
    axes.set(ylim=(0, 1.02))
    finish_panel(axes, "recall at IoU 0.5")
    axes.set_xticks([0, 1], ["lowest range", "highest range"])
    axes.set_xlabel("")
