"""Sections on what is wrong and how sure the model is: errors, recall, calibration, alignment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aligndetr.analysis import Analysis
from aligndetr.analysis.calibration import Reliability
from aligndetr.analysis.errors import KINDS
from aligndetr.analysis.slices import EDGES, Slice
from aligndetr.evaluation.alignment import alignment_metrics
from aligndetr.report.album import score
from aligndetr.report.elements import Number, Section, chart, note, number, table
from aligndetr.visualization.html_page import element

MOST_POINTS = 2000  # of the scatter
_STATES = {"isotonic": "after isotonic regression", "linear": "after a straight line"}


def errors_section(analysis: Analysis) -> Section:
    """TIDE's kinds, what each costs, and the worst of each."""
    errors = analysis.errors
    kinds = sorted(KINDS, key=lambda kind: -errors.cost[kind])
    rows = [
        [
            element("a", kind, href=f"#errors-{kind}"),
            KINDS[kind],
            Number(errors.counts[kind], str(errors.counts[kind])),
            number(errors.cost[kind]),
        ]
        for kind in kinds
    ]
    galleries = [
        element(
            "details",
            element("summary", f"{kind}: {KINDS[kind]}"),
            element("div", class_="gallery", data_kind=kind),
            id=f"errors-{kind}",
            open=place == 0,
        )
        for place, kind in enumerate(kinds)
    ]
    told = (
        f"TIDE's kinds at IoU 0.5, and how much AP50 (now {errors.base:.1f}) would rise if each "
        "did not occur; these do not add up. Below, the most confident mistakes of each kind, "
        "and the largest missed objects. Green is what is there, red the mistake."
    )
    body = [
        note(told),
        element(
            "div",
            chart("tide", "AP50 that each kind of error costs"),
            table(["kind", "what", "count", "AP50"], rows, "kinds of errors"),
            class_="columns",
        ),
        *galleries,
    ]
    bars = [{"name": kind, "value": round(errors.cost[kind], 2)} for kind in kinds]
    return Section("errors", "Errors", body, {"tide": bars})


def recall_section(analysis: Analysis) -> Section:
    """Recall by what objects are like."""
    slices = {
        name: [_bar(part) for part in parts if part.objects]
        for name, parts in analysis.slices.items()
    }
    charts = [
        element(
            "div",
            element("h3", f"By {name}"),
            note(EDGES[name][1]),
            chart(f"slice-{name}", f"recall by {name}"),
        )
        for name in slices
    ]
    body = [note("Share of the objects that are found at any score."), _columns(charts)]
    return Section("recall", "Recall", body, {"slices": slices})


def _bar(part: Slice) -> dict[str, Any]:
    strict = float(100 * part.recall[5])
    return {
        "name": part.label,
        "objects": part.objects,
        "half": round(float(100 * part.recall[0]), 1),
        "strict": round(strict, 1),
    }


def calibration_section(analysis: Analysis) -> Section:
    """Do scores say how good a detection is?"""
    judged = analysis.calibration
    states = {"as it is": judged.before} | {_STATES[k]: v for k, v in judged.after.items()}
    rows = [
        [name, *(number(100 * value) for value in (state.laece, state.ece, state.oce))]
        for name, state in states.items()
    ]
    told = (
        "Errors in percent of the detections above the thresholds; 0 is perfect. What changes "
        "scores was fitted on one half of the images, all are judged on the other. On the diagonal "
        "a score is the IoU that it gets, on average."
    )
    body = [
        note(told),
        element(
            "div",
            chart("calibration", "mean IoU against mean score of detections"),
            table(["scores", "LaECE", "ECE", "OCE"], rows, "calibration errors"),
            class_="columns",
        ),
    ]
    diagrams = [{"name": name, "points": _diagram(s.diagram)} for name, s in states.items()]
    return Section("calibration", "Calibration", body, {"calibration": diagrams})


def _diagram(diagram: Reliability) -> list[list[float]]:
    """[mean score, mean IoU, detections] of the bins that are not empty."""
    rows = zip(diagram.score.tolist(), diagram.quality.tolist(), diagram.count, strict=True)
    return [[score(x), score(y), int(count)] for x, y, count in rows if count]


def alignment_section(analysis: Analysis) -> Section:
    """The diagnosis of AlignDETR: score against IoU, object by object."""
    metrics = alignment_metrics(analysis.alignment)
    told = (
        "Of each object the most confident detection of its class: its score, and its IoU with the "
        "object. covered: objects with any detection of IoU 0.5; recall@k: those whose best box is "
        "among the k most confident ones; iou_best, iou_top: mean IoU of the best and of the most "
        "confident box; pearson, spearman: correlation of score and IoU. All in percent. A point "
        "with the name of a file leads to its image."
    )
    rows = [[name, number(value)] for name, value in metrics.items()]
    body = [
        note(told),
        element(
            "div",
            chart("alignment", "score against IoU of the most confident detection of each object"),
            table(["figure", "%"], rows, "alignment"),
            class_="columns",
        ),
    ]
    return Section("alignment", "Alignment", body, {"alignment": scatter(analysis)})


def scatter(analysis: Analysis) -> list[list[float]]:
    """[score, IoU, place of the image] of covered objects, evenly drawn if there are too many."""
    objects, aligned = analysis.matches.objects, analysis.alignment
    images = np.sort(objects.image[~objects.crowd], kind="stable")  # as `alignment` has them
    covered = np.flatnonzero(aligned.rank >= 0)
    if len(covered) > MOST_POINTS:
        covered = covered[np.linspace(0, len(covered) - 1, MOST_POINTS).round().astype(int)]
    return [
        [score(aligned.top_score[i]), score(aligned.top_iou[i]), int(images[i])] for i in covered
    ]


def _columns(children: Sequence[str]) -> str:
    return element("div", *children, class_="columns")
