"""Curves of several methods in one picture."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from aligndetr.evaluation.comparison import Method
from aligndetr.evaluation.history import Series
from aligndetr.files import atomic_write
from aligndetr.visualization.curves import COLORS, finish_panel, running_median


def plot_methods(methods: Sequence[Method], metric: str, output_png: str | os.PathLike) -> None:
    """Draw a metric and the total loss: mean over the runs, and the range of them as a band.

    Args:
        methods: each gets a colour.
        metric: such as `bbox/AP`.
        output_png: the picture; needs no display.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for index, method in enumerate(methods):
        color = COLORS[index % len(COLORS)]
        label = f"{method.name} ({len(method.runs)} runs)" if len(method.runs) > 1 else method.name
        found = [run.metrics[metric] for run in method.runs if metric in run.metrics]
        _band(left, found, color, label)
        losses = [run.metrics["total_loss"] for run in method.runs if "total_loss" in run.metrics]
        smooth = [(iterations, running_median(values)) for iterations, values in losses]
        _band(right, smooth, color, label)
    finish_panel(left, f"{metric.rpartition('/')[2]}, %")
    finish_panel(right, "total loss", log=True)
    with atomic_write(output_png, "wb") as file:
        figure.savefig(file, format="png", dpi=130)


def _band(axes, series: Sequence[Series], color: str, label: str) -> None:
    """Mean and range over runs, at the iterations that all of them have."""
    if not series:
        return
    common = series[0][0]
    for iterations, _ in series[1:]:
        common = np.intersect1d(common, iterations)
    values = np.array([v[np.isin(iterations, common)] for iterations, v in series])
    marker = "o" if len(common) <= 40 else None
    axes.plot(common, values.mean(axis=0), color=color, label=label, marker=marker, markersize=3.5)
    if len(series) > 1:
        axes.fill_between(
            common, values.min(axis=0), values.max(axis=0), color=color, alpha=0.2, linewidth=0
        )
