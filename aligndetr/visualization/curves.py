"""Curves of a training run."""

from __future__ import annotations

import os

import numpy as np

from aligndetr.evaluation.history import Series, read_metrics
from aligndetr.files import atomic_write

# Colour-blind safe (Okabe and Ito); the order of the curves in a panel.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_TOTALS = {"total_loss": "training", "validation_loss": "validation"}
_LOSSES = {"loss_class": "class", "loss_bbox": "L1", "loss_giou": "GIoU"}


def plot_metrics(metrics_json: str | os.PathLike, output_png: str | os.PathLike) -> None:
    """Draw loss, its parts, AP and learning rate of a run.

    Args:
        metrics_json: the `metrics.json` of the run.
        output_png: the picture; needs no display.

    Raises:
        DataError: the file is missing or holds no metrics.
    """
    from matplotlib.figure import Figure

    metrics = read_metrics(metrics_json)
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    (total, parts), (precision, rate) = figure.subplots(2, 2)
    _plot_losses(total, metrics, _TOTALS, "total loss")
    _plot_losses(parts, metrics, _LOSSES, "loss of the last layer")
    _plot_precision(precision, metrics)
    if "lr" in metrics:
        rate.plot(*metrics["lr"], color=COLORS[0])
    finish_panel(rate, "learning rate")
    last = max(iterations[-1] for iterations, _ in metrics.values())
    for axes in (total, parts, precision, rate):
        axes.set_xlim(0, max(last, 1) * 1.02)
    with atomic_write(output_png, "wb") as file:
        figure.savefig(file, format="png", dpi=130)


def _plot_losses(axes, metrics: dict[str, Series], labels: dict[str, str], title: str) -> None:
    """The values, faint, and their running median."""
    for (name, label), color in zip(labels.items(), COLORS, strict=False):
        if name in metrics:
            iterations, values = metrics[name]
            keep = np.isfinite(values)
            iterations, values = iterations[keep], values[keep]
            axes.plot(iterations, values, color=color, alpha=0.25, linewidth=0.8)
            axes.plot(iterations, running_median(values), color=color, linewidth=1.8, label=label)
    finish_panel(axes, title, log=True)


def _plot_precision(axes, metrics: dict[str, Series]) -> None:
    names = [name for name in ("bbox/AP", "bbox/AP50", "bbox/AP75") if name in metrics]
    for name, color in zip(names, COLORS, strict=False):
        iterations, values = metrics[name]
        label = f"{name.removeprefix('bbox/')} ({values[-1]:.1f})"
        axes.plot(iterations, values, color=color, marker="o", markersize=3.5, label=label)
    if names:
        axes.set_ylim(0, 100 if max(metrics[name][1].max() for name in names) > 60 else None)
    finish_panel(axes, "average precision, %")


def running_median(values: np.ndarray) -> np.ndarray:
    """Median of the values around each one: a fiftieth of the run, and at least 5 of them."""
    half = max(2, len(values) // 100)
    return np.array(
        [np.median(values[max(0, i - half) : i + half + 1]) for i in range(len(values))]
    )


def finish_panel(axes, title: str, log: bool = False) -> None:
    """Title, grid and legend; a panel without data says so."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel("iteration", fontsize=9)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)
    if not axes.lines:
        axes.text(0.5, 0.5, "not recorded", ha="center", va="center", transform=axes.transAxes)
        axes.set_yticks([])
        return
    if log and any((line.get_ydata() > 0).any() for line in axes.lines):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if axes.get_legend_handles_labels()[1]:
        axes.legend(framealpha=0.85, edgecolor="none", fontsize=9)
