"""What the gate found, as a table and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from aligndetr.evaluation.report import text_table
from aligndetr.export.gate import Figure, Judgement
from aligndetr.files import atomic_write


def as_table(judgement: Judgement) -> str:
    """Lines of 80 columns: what was measured, what was asked for, and the verdict."""
    rows = [
        [figure.name, _number(figure.value) + figure.unit, _limit(figure), _verdict(figure)]
        for figure in judgement.figures
    ]
    headings = [("", "left"), ("found", "right"), ("asked for", "right"), ("", "left")]
    lines = text_table(headings, rows)
    return "\n".join(
        [
            f"{judgement.runtime} on {judgement.provider}, {judgement.images}",
            *lines,
            *([] if judgement.start is None else [f"the difference starts in {judgement.start}"]),
            "verified" if judgement.passed else "REJECTED",
        ]
    )


def write_report(judgement: Judgement, file: Path) -> list[Path]:
    """Write `<file>.report.json` and `<file>.report.txt`; their paths."""
    content = {
        **judgement.plain(),
        "start": judgement.start,
        "limits": {
            figure.name: {"least": figure.least, "most": figure.most, "passed": figure.passed}
            for figure in judgement.figures
        },
    }
    texts = {".report.json": json.dumps(content, indent=2), ".report.txt": as_table(judgement)}
    written = []
    for suffix, text in texts.items():
        path = file.with_name(file.name + suffix)
        with atomic_write(path) as stream:
            stream.write(text + "\n")
        written.append(path)
    return written


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return f"{value:.2f}" if abs(value) >= 1 or value == 0 else f"{value:.2g}"


def _limit(figure: Figure) -> str:
    limits = [
        f"{word} {value:g}{figure.unit}"
        for word, value in (("at least", figure.least), ("at most", figure.most))
        if value is not None
    ]
    return ", ".join(limits)


def _verdict(figure: Figure) -> str:
    if figure.least is None and figure.most is None:
        return ""
    return "ok" if figure.passed else "NOT OK"
