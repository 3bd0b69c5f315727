"""Sections on classes: their table, thresholds, confusion."""

from __future__ import annotations

import numpy as np

from aligndetr.analysis import Analysis
from aligndetr.report.elements import Number, Section, chart, note, number, table
from aligndetr.report.summary import interval_text
from aligndetr.report.thresholds import STEPS, threshold_data
from aligndetr.visualization.html_page import Markup, element

MOST_CLASSES = 40  # of the confusion matrix
_COLUMNS = (
    *("class", "objects", "AP", "95 % interval", "threshold", "best F1", "precision", "recall"),
    "oLRP",
)


def classes_section(analysis: Analysis) -> Section:
    """One row a class."""
    rows = []
    for curve, f1, lrp in zip(analysis.curves, analysis.f1, analysis.lrp, strict=True):
        precision, recall = curve.operated_at(f1.threshold)
        interval = analysis.intervals[f"AP-{curve.name}"]
        known = not np.isnan(interval.low)
        rows.append(
            [
                element("a", curve.name, href="#thresholds", data_class=curve.name),
                Number(curve.objects, str(curve.objects)),
                number(analysis.metrics[f"AP-{curve.name}"]),
                Number(interval.low, interval_text(interval)) if known else number(None),
                number(f1.threshold, 2),
                *(number(100 * value) for value in (f1.value, precision, recall, lrp.value)),
            ]
        )
    told = (
        "AP in percent over IoU 0.5 to 0.95; the rest at IoU 0.5 and the threshold with the best "
        "F1. oLRP is an error: 0 is perfect. A class leads to its curves."
    )
    body = [note(told), table(_COLUMNS, rows, "classes", "classes-table")]
    return Section("classes", "Classes", body)


def thresholds_section(analysis: Analysis) -> Section:
    """Curves of a class or of all, and a slider that says what a threshold gives."""
    options = [
        element("option", curve.name, value=str(i)) for i, curve in enumerate(analysis.curves)
    ]
    chosen = element("select", element("option", "all classes", value="all"), *options, id="class")
    slider = element("input", type="range", id="threshold", min="0", max=str(STEPS), value="50")
    names = ("found", "missed", "false", "precision", "recall", "F1")
    counts = [
        element("div", element("dt", name), element("dd", "–", id=f"count-{name.lower()}"))
        for name in names
    ]
    body = [
        note("What is kept from a score on, at IoU 0.5. Move the slider, or use the arrow keys."),
        element(
            "div",
            element("label", "class ", chosen),
            element("label", "threshold ", slider, element("output", "0.50", for_="threshold")),
            element("button", "best F1", type="button", id="best"),
            class_="bar",
        ),
        element("dl", *counts, class_="facts counts", aria_live="polite"),
        element(
            "div",
            chart("f1", "precision, recall and F1 against the threshold"),
            chart("pr", "precision against recall"),
            class_="columns",
        ),
    ]
    data = {"thresholds": threshold_data(analysis)}
    return Section("thresholds", "Thresholds", body, data)


def confusion_section(analysis: Analysis) -> Section:
    """The matrix; a cell off the diagonal leads to its images."""
    matrix = analysis.confusion
    names, counts = [*matrix.names, "nothing"], matrix.counts
    places = _most_confused(counts)
    head = [
        element("th", "is \\ taken for", scope="col"),
        *(element("th", element("span", names[i]), scope="col") for i in places),
    ]
    rows = [
        element(
            "tr",
            element("th", names[row], scope="row"),
            *(_cell(counts, row, column, names) for column in places),
        )
        for row in places
    ]
    caption = element("caption", "confusion matrix", class_="hidden")
    head = element("thead", element("tr", *head))
    made = element("table", caption, head, element("tbody", *rows), class_="matrix")
    told = "Detections above the thresholds of best F1, IoU 0.5, of whatever class. A number leads "
    told += "to its images."
    if len(places) < len(names):
        told += f" The {len(places) - 1} of {len(names) - 1} classes with the most mistakes."
    body = [
        note(told),
        element(
            "div",
            made,
            class_="scroll",
            tabindex="0",
            role="group",
            aria_label="confusion matrix",
        ),
        element("div", id="confusion-images", aria_live="polite"),
    ]
    return Section("confusion", "Confusion", body)


def _most_confused(counts: np.ndarray) -> list[int]:
    """Rows and columns to show: "nothing", and not too many classes."""
    wrong = counts - np.diag(np.diag(counts))
    mistakes = (wrong.sum(axis=0) + wrong.sum(axis=1))[:-1]
    chosen = np.argsort(-mistakes, kind="stable")[:MOST_CLASSES]
    return [*sorted(chosen.tolist()), len(counts) - 1]


def _cell(counts: np.ndarray, row: int, column: int, names: list[str]) -> Markup:
    count = int(counts[row, column])
    if not count:
        return element("td", "·" if row != column or row < len(counts) - 1 else "", class_="zero")
    share = count / max(1, int(counts[row].sum()))
    kind = "right" if row == column else "wrong"
    style = f"--share:{share:.3f}"
    if row == column:
        return element("td", str(count), class_=kind, style=style)
    label = f"{names[row]} taken for {names[column]}: {count}"
    button = element(
        "button", str(count), type="button", data_cell=f"{row},{column}", aria_label=label
    )
    return element("td", button, class_=kind, style=style)
