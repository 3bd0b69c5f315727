"""docs/study.md and its picture, from the numbers of the study of alignment."""

from __future__ import annotations

import hashlib
import json
import statistics
from pathlib import Path
from typing import Any

from aligndetr.errors import UserError
from aligndetr.evaluation.comparison import Method, spread
from aligndetr.files import atomic_write
from studies.comparison import difference, read_methods
from studies.picture import draw
from studies.plan import BASE, QUESTIONS, SHARED, START, Arm, Study

TEXTS = Path(__file__).parent
PICTURE = "pictures/study.png"
ACCURACY = ("bbox/AP", "bbox/AP50", "bbox/AP75", "bbox/AR100")
DIAGNOSIS = (
    "alignment/recall@1",
    "alignment/recall@3",
    "alignment/covered",
    "alignment/iou_best",
    "alignment/iou_top",
    "alignment/pearson",
    "alignment/spearman",
)
COMPARED = ("bbox/AP", "bbox/AP75", "alignment/recall@1", "alignment/iou_top", "alignment/pearson")


def write_report(study: Study, results: Path, docs: Path) -> None:
    """Write study.md and its picture.

    Args:
        study: what was planned.
        results: the JSON file of the runs.
        docs: folder of the page.

    Raises:
        UserError: the file is missing or holds no runs.
    """
    content, found = read_results(results)
    methods = read_methods(found["runs"])
    arms = [arm for arm in study.arms if arm.name in methods]
    methods = {arm.name: methods[arm.name] for arm in arms}
    labels = {arm.name: describe(arm) for arm in arms}
    draw(methods, labels, [arm.loss for arm in arms], docs / PICTURE)
    lines = [
        *(TEXTS / "introduction.md").read_text(encoding="utf-8").splitlines(),
        "",
        *setting_section(study, found),
        *result_section(study, methods, labels),
        *difference_section(methods),
        *discussion(content),
        *budget_section(found, json.loads(content)),
    ]
    with atomic_write(docs / "study.md") as file:
        file.write("\n".join(lines) + "\n")


def read_results(path: Path) -> tuple[str, dict[str, Any]]:
    """The file's text, and its results."""
    if not path.is_file():
        raise UserError(f"no results in {path}: run `python -m studies.alignment` first")
    content = path.read_text(encoding="utf-8")
    found = json.loads(content)["results"]
    if not found["runs"]:
        raise UserError(f"{path} holds no runs")
    return content, found


def describe(arm: Arm) -> str:
    """What an arm is, for a row of a table."""
    published = {"dino": " (DINO)", "align-k2": " (AlignDETR)"}.get(arm.name, "")
    tau = f", tau {1.5 if arm.tau is None else arm.tau:g}" if arm.loss == "IA-BCE" else ""
    return f"{arm.loss}, k = {arm.k}{tau if arm.k > 1 else ''}{published}"


def setting_section(study: Study, found: dict[str, Any]) -> list[str]:
    """What all arms share, and how learning rates were chosen."""
    shared = [f"`{key}={value}`" for key, value in SHARED.items() if key.startswith("model.")]
    rows = []
    for loss, rate in found["rates"].items():
        values = {row["rate"]: row["bbox/AP"] for row in found["tuning"] if row["loss"] == loss}
        cells = [f"**{ap:.2f}**" if r == rate else f"{ap:.2f}" for r, ap in values.items()]
        arm = next(row["arm"] for row in found["tuning"] if row["loss"] == loss)
        rows.append([f"{loss} ({arm})", *cells])
    rates = [f"{rate:g}" for rate in study.rates]
    ends = (min(study.rates), max(study.rates))
    edge = [loss for loss, rate in found["rates"].items() if rate in ends]
    warning = f"The best rate of {', '.join(edge)} is at the edge of those that were tried."
    return [
        "## Setting",
        "",
        f"- Model: `{BASE}` with {', '.join(shared)}; {study.iterations} steps of "
        f"{SHARED['dataloader.train.total_batch_size']} images of `{study.train}`, one-cycle "
        "schedule.",
        f"- Backbone: that of `aligndetr train {START}` (the plain demo set), the same for every "
        "run. All else starts from random weights. It was trained with DINO's objective; should "
        "that favour an arm, then DINO.",
        "- Runs of equal seed share initial weights, order and flips of the images, and denoising "
        "noise; they differ in the criterion alone. Differences are taken at equal seeds.",
        f"- The learning rate of each loss is the best of {len(study.rates)} by AP on "
        f"`{study.tuning}` after {study.tuning_iterations} steps (one run each, seed "
        f"{study.tuning_seed}); nothing else was tuned. Numbers below are of `{study.reported}`, "
        "on which no rate was chosen.",
        "",
        *table(["AP on the tuning split at learning rate", *rates], rows),
        *([warning, ""] if edge else []),
    ]


def result_section(study: Study, methods: dict[str, Method], labels: dict[str, str]) -> list[str]:
    """Mean and deviation of every arm."""
    lines = ["## Numbers", "", f"![every run]({PICTURE})", ""]
    counts = {len(method.runs) for method in methods.values()}
    seeds = f"{counts.pop()} runs" if len(counts) == 1 else "the runs named in the table"
    lines += [f"Mean ± standard deviation over {seeds}; dots are runs, bars their means.", ""]
    for metrics in (ACCURACY, DIAGNOSIS):
        rows = [
            [labels[name], str(len(method.runs)), *(spread(method.finals(m)) for m in metrics)]
            for name, method in methods.items()
        ]
        lines += table(["", "runs", *map(short, metrics)], rows)
    absent = [describe(arm) for arm in study.arms if arm.name not in methods]
    return [*lines, *([f"Not run: {'; '.join(absent)}.", ""] if absent else [])]


def difference_section(methods: dict[str, Method]) -> list[str]:
    """Paired differences, question by question, and what they allow to say."""
    lines = [
        "## Differences at equal seeds",
        "",
        "Mean, 95 % interval of Student's t over seeds, and in how many seeds the difference is "
        "positive. With so few seeds intervals are wide, and they cover what seeds change, not "
        "what another data set would. Many differences are looked at and none is corrected for "
        "that: one in twenty intervals misses by chance.",
        "",
    ]
    for title, reference, others in QUESTIONS:
        present = [name for name in others if name in methods]
        if reference in methods and present:
            lines += [f"### {title}", ""]
            lines += compare(methods[reference], [methods[name] for name in present])
    return lines


def compare(first: Method, others: list[Method]) -> list[str]:
    """A table of differences and a sentence for each method."""
    rows, sentences = [], []
    for other in others:
        found = {metric: difference(first, other, metric) for metric in COMPARED}
        found = {metric: value for metric, value in found.items() if value is not None}
        cells = [str(found.get(metric, "-")) for metric in COMPARED]
        rows.append([f"{other.name} minus {first.name}", *cells])
        parts = []
        for verdict, words in (
            ("higher", "higher"),
            ("lower", "lower"),
            ("open", "not told apart"),
        ):
            names = [short(metric) for metric, v in found.items() if v.verdict == verdict]
            parts += [f"{words}: {', '.join(names)}"] if names else []
        sentences.append(f"- {other.name} against {first.name}: {'; '.join(parts)}.")
    return [*table(["", *map(short, COMPARED)], rows), *sentences, ""]


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a Markdown table, numbers to the right."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return [lines[0], "|---" + "|---:" * (len(head) - 1) + "|", *lines[1:], ""]


def short(metric: str) -> str:
    """`bbox/AP` -> `AP`."""
    return metric.partition("/")[2].replace("_", " ")


def digest(content: str) -> str:
    """Short name of a file of results."""
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def discussion(content: str) -> list[str]:
    """The text by hand, if it was written for these numbers: its first line names them."""
    first, *lines = (TEXTS / "discussion.md").read_text(encoding="utf-8").splitlines()
    if digest(content) not in first:
        return []
    return ["## What comes out", "", *lines, ""]


def budget_section(found: dict[str, Any], content: dict[str, Any]) -> list[str]:
    """Command, duration, machine."""
    shorter = [row["cpu_seconds"] for row in found["tuning"] if row["cpu_seconds"]]
    seconds = [run["cpu_seconds"] for run in found["runs"] if run["cpu_seconds"]]
    lines = [
        "## Repeat it",
        "",
        "```bash",
        "python -m studies.alignment                 # everything; goes on where it was stopped",
        "python -m studies.alignment --report-only   # this page from studies/results",
        "```",
        "",
    ]
    if seconds:
        machine = content["machine"]
        lines += [
            f"{len(found['runs'])} runs of {statistics.median(seconds) / 60:.1f} minutes of one "
            f"core each (median, evaluation included), {len(found['tuning'])} shorter ones for the "
            f"learning rates, together {(sum(seconds) + sum(shorter)) / 60:.0f} minutes; "
            f"before them `{START}` once, or `--start FILE` with its `model_final.pth`. "
            f"{machine['cpu']}, torch {machine['torch']}, Python {machine['python']}, one thread, "
            "on whose number figures depend.",
            "",
        ]
    lines += [
        "The folder of runs can be looked at with `aligndetr compare "
        "DINO='output/study/dino/*' AlignDETR='output/study/align-k2/*'`.",
    ]
    return lines
