"""What a run recorded while it trained, in the groups that charts show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from aligndetr.criterions.loss_weights import term_and_layer
from aligndetr.evaluation.history import Series

MOST_POINTS = 500  # of a curve on the page
LAST = "last layer"
_SUMMARY = ("bbox/AP", "bbox/AP50", "bbox/AP75")
_SPEED = ("time", "data_time")
_PROGRESS = ("eta_seconds", "evaluations_left")
_MEMORY = ("max_memory_gb", "max_cpu_memory_gb")


def charts(metrics: Mapping[str, Series]) -> list[dict[str, Any]]:
    """Charts in their order, each with one or several views to choose from.

    Args:
        metrics: see `evaluation.history.read_metrics`.

    Returns:
        dicts of `id`, `title`, `views`: lists of dict(name, unit, curves); a curve is dict(name,
        points) with `points` lists of [iteration, value].
    """
    losses = {name: metrics[name] for name in metrics if name.startswith("loss_")}
    summary = [*_SUMMARY, *(name for name in metrics if name.endswith("/AP"))]
    found = [
        _chart("loss", "Loss", _losses(metrics, losses)),
        _chart("ap", "Average precision", _precision(metrics, dict.fromkeys(summary))),
        _chart("lr", "Learning rate", {"": _named(metrics, ["lr"])}),
        _chart("gradient", "Gradient norm", {"": _named(metrics, ["grad_norm"])}),
        _chart("speed", "Seconds a step", {"": _named(metrics, _SPEED)}),
        _chart("memory", "Memory, GB", {"": _named(metrics, _MEMORY)}),
    ]
    found.append(_chart("other", "Everything else", _others(metrics, found)))
    return [chart for chart in found if chart["views"]]


def _losses(metrics: Mapping[str, Series], losses: Mapping[str, Series]) -> dict[str, dict]:
    kinds: dict[str, list[Series]] = {}
    layers: dict[str, list[Series]] = {}
    for name, series in losses.items():
        term, layer = term_and_layer(name)
        kinds.setdefault(term, []).append(series)
        layers.setdefault(layer or LAST, []).append(series)
    return {
        "total": _named(metrics, ["total_loss", "validation_loss"]),
        "by kind": {name: summed(parts) for name, parts in kinds.items()},
        "by layer": {name: summed(parts) for name, parts in layers.items()},
        "every part": dict(losses),
    }


def _precision(metrics: Mapping[str, Series], summary: Iterable[str]) -> dict[str, dict]:
    classes = {name.partition("/AP-")[2]: metrics[name] for name in metrics if "/AP-" in name}
    return {"all classes": _named(metrics, summary), "by class": classes}


def _others(metrics: Mapping[str, Series], found: Iterable[Mapping]) -> dict[str, dict]:
    """What no other chart shows, such as metrics of one's own: by task, or by itself."""
    shown = {c["name"] for chart in found for view in chart["views"] for c in view["curves"]}
    views: dict[str, dict[str, Series]] = {}
    for name, series in metrics.items():
        task, _, rest = name.partition("/")
        if name not in shown and not rest.startswith("AP-") and name not in _PROGRESS:
            views.setdefault(task, {})[name] = series
    return dict(sorted(views.items()))


def _named(metrics: Mapping[str, Series], names: Iterable[str]) -> dict[str, Series]:
    return {name: metrics[name] for name in names if name in metrics}


def _chart(identity: str, title: str, views: Mapping[str, Mapping[str, Series]]) -> dict[str, Any]:
    shown = [
        {"name": name, "curves": [{"name": n, "points": points(s)} for n, s in curves.items()]}
        for name, curves in views.items()
        if curves
    ]
    return {"id": identity, "title": title, "views": shown}


def summed(parts: Iterable[Series]) -> Series:
    """The sum of several series; where one has no value, the others count."""
    total: dict[int, float] = {}
    for iterations, values in parts:
        for iteration, value in zip(iterations.tolist(), values.tolist(), strict=True):
            total[iteration] = total.get(iteration, 0.0) + value
    keys = sorted(total)
    return np.array(keys, dtype=np.int64), np.array([total[key] for key in keys])


def points(series: Series, most: int = MOST_POINTS) -> list[list[float]]:
    """[iteration, value] of the finite values; of more than `most`, means of equal stretches.

    Args:
        series: iterations and values.
        most: points.
    """
    iterations, values = series
    finite = np.isfinite(values)
    iterations, values = iterations[finite], values[finite]
    if len(values) > most:
        stretches = np.array_split(np.arange(len(values)), most)
        iterations = np.array([iterations[part[-1]] for part in stretches])
        values = np.array([values[part].mean() for part in stretches])
    return [[int(i) + 1, float(f"{v:.5g}")] for i, v in zip(iterations, values, strict=True)]
