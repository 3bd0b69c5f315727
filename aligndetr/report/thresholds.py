"""Classes, and what a threshold of the score does to each: counts that a slider shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aligndetr.analysis import Analysis
from aligndetr.analysis.curves import Curve

STEPS = 100  # of the slider, from 0 to 1
GRID = np.arange(STEPS + 1) / STEPS
_MOST_POINTS, _ALL_POINTS = 120, 24_000  # of a class's curve, of all curves together


def threshold_data(analysis: Analysis) -> dict[str, Any]:
    """What the slider and the charts below it are drawn from.

    Returns:
        dict(steps, all, classes): for all classes together and for each a dict(name, objects,
        true, false, best, pr), with `true` and `false` detections at the scores of `GRID` and
        above, the threshold with the best F1, and `pr`, points [recall, precision].
    """
    most = max(12, min(_MOST_POINTS, _ALL_POINTS // max(1, len(analysis.curves))))
    classes = [
        _of_curves([curve], curve.name, most) | {"best": round(best.threshold, 4)}
        for curve, best in zip(analysis.curves, analysis.f1, strict=True)
    ]
    together = _of_curves(analysis.curves, "all classes", _MOST_POINTS)
    return {"steps": STEPS, "all": together, "classes": classes}


def _of_curves(curves: Sequence[Curve], name: str, most: int) -> dict[str, Any]:
    objects = sum(curve.objects for curve in curves)
    true, false = counts_at(curves, GRID)
    return {
        "name": name,
        "objects": objects,
        "true": true.tolist(),
        "false": false.tolist(),
        "pr": _precision_recall(curves, objects, most),
    }


def counts_at(curves: Sequence[Curve], thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T,) objects found and (T,) false detections, summed over curves.

    Args:
        curves: of classes.
        thresholds: (T,) lowest scores that count.
    """
    true, false = (np.zeros(len(thresholds), dtype=np.int64) for _ in range(2))
    for curve in curves:
        kept = np.searchsorted(-curve.score, -thresholds, side="right")
        true += np.append(0, curve.true)[kept].astype(np.int64)
        false += np.append(0, curve.false)[kept].astype(np.int64)
    return true, false


def _precision_recall(curves: Sequence[Curve], objects: int, most: int) -> list[list[float]]:
    """Some points of the curve, at scores that divide the detections evenly."""
    scores = np.unique(np.concatenate([np.zeros(0), *(curve.score for curve in curves)]))
    if not objects or not len(scores):
        return []
    places = np.unique(np.linspace(0, len(scores) - 1, most).round().astype(int))
    true, false = counts_at(curves, scores[places][::-1])
    recall, precision = true / objects, true / (true + false)
    return np.stack([recall, precision], axis=1).round(4).tolist()
