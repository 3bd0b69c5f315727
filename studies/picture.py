"""The picture of a study: every run a dot, every arm a line."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path

from aligndetr.evaluation.comparison import Method
from aligndetr.files import atomic_write
from aligndetr.visualization.curves import COLORS

PANELS = {
    "bbox/AP": "AP",
    "bbox/AP75": "AP75",
    "alignment/recall@1": "recall@1 of best-regressed",
    "analysis/LaECE": "LaECE (lower is better)",
}


def draw(methods: Mapping[str, Method], labels: Mapping[str, str], path: Path) -> None:
    """A panel a metric: runs as dots, their mean as a bar.

    Args:
        methods: arms by name.
        labels: of the arms' rows.
        path: the PNG.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 0.42 * len(methods) + 1.5), layout="constrained")
    panels = figure.subplots(1, len(PANELS), sharey=True, squeeze=False)[0]
    for axes, (metric, title) in zip(panels, PANELS.items(), strict=True):
        for row, (method, color) in enumerate(zip(methods.values(), cycle(COLORS))):
            values = method.finals(metric)
            axes.plot(values, [row] * len(values), "o", color=color, alpha=0.6, markersize=6)
            if len(values):
                axes.plot([values.mean()] * 2, [row - 0.3, row + 0.3], color=color, linewidth=2.5)
        axes.set_title(title, fontsize=10)
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.08)
    figure.supxlabel("%", fontsize=10)
    panels[0].set_yticks(range(len(methods)), [labels[name] for name in methods])
    panels[0].invert_yaxis()
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format="png", dpi=120)
