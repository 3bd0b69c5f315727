"""docs/study.md and its pictures, from the committed rows of the study of alignment."""

from __future__ import annotations

import hashlib
import json
import statistics
from pathlib import Path
from typing import Any

from aligndetr.errors import UserError
from aligndetr.evaluation.comparison import Method, spread
from aligndetr.files import atomic_write
from studies.comparison import compare, read_methods
from studies.page import Row, table
from studies.picture import draw
from studies.plan import QUESTIONS, STUDIES, Study, best_rate

TEXTS = Path(__file__).parent / "texts"
ACCURACY = ("bbox/AP", "bbox/AP50", "bbox/AP75", "bbox/AR100")
DIAGNOSIS = (
    "alignment/recall@1",
    "alignment/recall@3",
    "alignment/covered",
    "alignment/iou_best",
    "alignment/iou_top",
    "alignment/pearson",
)
CALIBRATION = ("analysis/LaECE", "analysis/OCE", "analysis/oLRP", "analysis/Dupe")
COMPARED = ("bbox/AP", "bbox/AP75", "alignment/recall@1", "analysis/LaECE", "analysis/OCE")


def write_report(results: Path, docs: Path) -> None:
    """Write study.md and a picture a study.

    Args:
        results: folder with a file of rows a study.
        docs: folder of the page.

    Raises:
        UserError: no study has a finished run.
    """
    lines = (TEXTS / "introduction.md").read_text(encoding="utf-8").splitlines()
    found = {study: results / f"{study.name}.json" for study in STUDIES.values()}
    sections = [
        line
        for study, path in found.items()
        if path.is_file()
        for line in section(study, path, docs)
    ]
    if not sections:
        raise UserError(f"no finished run in {results}: `python -m studies.alignment STUDY` first")
    with atomic_write(docs / "study.md") as file:
        file.write("\n".join([*lines, "", *sections]).rstrip() + "\n")


def section(study: Study, path: Path, docs: Path) -> list[str]:
    """All of one study; nothing if none of its reported runs has ended."""
    content = json.loads(path.read_text(encoding="utf-8"))
    rows: list[Row] = content["results"]
    reported = [row for row in rows if not row["tuning"]]
    if not reported:
        return []
    methods = read_methods(reported)
    methods = {arm.name: methods[arm.name] for arm in study.arms if arm.name in methods}
    labels = {arm.name: arm.words for arm in study.arms}
    picture = f"pictures/study_{study.name}.png"
    draw(methods, labels, docs / picture)
    return [
        f"## {study.name.capitalize()}",
        "",
        *text_of(study, rows),
        *setting(study, [row for row in rows if row["tuning"]]),
        *numbers(study, methods, labels, picture),
        *differences(methods),
        *budget(rows, content["machine"]),
    ]


def setting(study: Study, tuning: list[Row]) -> list[str]:
    """How learning rates were chosen."""
    cells = []
    for arm in study.arms:
        found = {row["rate"]: row["metrics"]["bbox/AP"] for row in tuning if row["arm"] == arm.name}
        if found:
            best = best_rate(tuning, arm.name)
            marks = ["**" if rate == best else "" for rate in study.rates]
            pairs = zip(study.rates, marks, strict=True)
            shown = [f"{m}{found[rate]:.1f}{m}" if rate in found else "-" for rate, m in pairs]
            cells.append([arm.words, *shown])
    rates = [f"{rate:g}" for rate in study.rates]
    return [
        "### Learning rates",
        "",
        f"AP on `{study.tuning}` after {study.tuning_steps} steps, one run each; every arm takes "
        f"its best for its {study.steps} steps, judged on `{study.reported}`.",
        "",
        *table(["", *rates], cells),
    ]


def numbers(
    study: Study, methods: dict[str, Method], labels: dict[str, str], picture: str
) -> list[str]:
    """Mean and deviation of every arm."""
    lines = ["### Numbers", "", f"![every run of {study.name}]({picture})", ""]
    lines += ["Mean ± standard deviation over seeds (n); dots are runs, bars their means.", ""]
    for metrics in (ACCURACY, DIAGNOSIS, CALIBRATION):
        rows = [
            [labels[name], str(len(method.runs)), *(spread(method.finals(m)) for m in metrics)]
            for name, method in methods.items()
        ]
        lines += table(["", "n", *map(short, metrics)], rows)
    absent = [arm.words for arm in study.arms if arm.name not in methods]
    return [*lines, *([f"Not run: {'; '.join(absent)}.", ""] if absent else [])]


def differences(methods: dict[str, Method]) -> list[str]:
    """Paired differences, question by question."""
    lines = [
        "### Differences at equal seeds",
        "",
        "Mean and 95 % interval of Student's t over seeds; p of the paired t-test, corrected by "
        "Holm for all rows of all tables here. LaECE and OCE are errors: lower is better.",
        "",
    ]
    asked = [
        (title, methods[first], [methods[name] for name in others if name in methods])
        for title, first, others in QUESTIONS
        if first in methods
    ]
    asked = [question for question in asked if question[2]]
    pairs = [(first, other) for _, first, others in asked for other in others]
    found = iter(compare(pairs, COMPARED))
    for title, first, others in asked:
        rows = []
        for other in others:
            for difference in next(found):
                metric = short(difference.metric)
                head = [f"{other.name} minus {first.name}", metric, *difference.cells]
                rows.append(head)
        lines += [f"**{title}?**", ""]
        lines += table(["", "", "mean", "95 % interval", "n", "above 0", "p of all"], rows)
    return lines


def short(metric: str) -> str:
    """`bbox/AP` -> `AP`."""
    return metric.partition("/")[2].replace("_", " ")


def digest(rows: list[Row]) -> str:
    """Short name of a study's numbers."""
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]


def text_of(study: Study, rows: list[Row]) -> list[str]:
    """The text by hand, if it was written for these numbers: its first line names them."""
    path = TEXTS / f"{study.name}.md"
    first, *lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else [""]
    return [*lines, ""] if digest(rows) in first else []


def budget(rows: list[Row], machine: dict[str, Any]) -> list[str]:
    """Duration and machine."""
    reported = [row["cpu_seconds"] for row in rows if not row["tuning"] and row["cpu_seconds"]]
    if not reported:
        return []
    median = statistics.median(reported) / 60
    return [
        f"A run takes {median:.1f} minutes of one core (median, evaluation included; "
        f"{machine['cpu']}, torch {machine['torch']}, Python {machine['python']}, one thread, on "
        "whose number figures depend).",
        "",
    ]
