"""Figures of docs/performance.md by version, as ratios, so that a slow-down shows.

python -m benchmarks.history                     # docs/performance_history.md from what is kept
python -m benchmarks.history --keep 0.2.0        # keeps benchmarks/results as those of a version
python -m benchmarks.history --keep 0.1.0 --commit a2921df
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aligndetr.files import atomic_write

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "benchmarks/history.json"
PAGE = ROOT / "docs/performance_history.md"
SLOWER = 0.9  # of the version before: more than measurements on a quiet machine differ
ENCODER = "encoder 640x640, forward + backward, float32, 2 threads"
HEAD = f"""# Performance by version

Written by `python -m benchmarks.history` from `benchmarks/history.json`; `--keep VERSION` adds what
`benchmarks/results/` holds. Seconds of different machines cannot be compared, so every figure is a
ratio of two measurements that ran in turns on one machine: how many times faster, or smaller, than
the published ways or the other program ([performance](performance.md)). Bold: less than {SLOWER} of
the version before. A dash: not measured again, or not measured.
"""


def _faster(rows: list[dict], name: str) -> float:
    """Than the first of the rows, as docs/performance.md has it."""
    return next(row["speedup"] for row in rows if row["name"] == name)


def _grown(rows: list[dict], first: str, last: str) -> float:
    milliseconds = {row["name"]: row["median_ms"] for row in rows}
    return milliseconds[last] / milliseconds[first]


def _published(part: str, name: str) -> Callable[[dict], float]:
    return lambda found: _faster(found["step"][part], name)


def _smaller(found: dict) -> float:
    memory = found["step"]["memory"]
    return memory["published ways, fp32"]["peak_mib"] / memory["ours, fp32"]["peak_mib"]


FIGURES: dict[str, Callable[[dict], float]] = {
    "training step, fp32": _published("train", "ours, fp32"),
    "training step, bf16": _published("train", "ours, bf16"),
    "evaluation, fp32": _published("eval", "ours, fp32"),
    "evaluation, bf16": _published("eval", "ours, bf16"),
    "memory of a training process, fp32": _smaller,
    "pixels by time, 1280 against 640 px": lambda found: (
        4 / _grown(found["scaling"]["pixels"], "640 px", "1280 px")
    ),
    "images by time, batch 16 against 2": lambda found: (
        8 / _grown(found["scaling"]["batch"], "batch 2", "batch 16")
    ),
    "COCO evaluation": lambda found: _faster(found["evaluation"]["rows"], "ours"),
    "deformable attention, compiled": lambda found: _faster(
        found["msda"][ENCODER], "operator, cpp"
    ),
    "images by time, 2 workers against none": lambda found: (
        found["loader"]["images_per_second"]["2"] / found["loader"]["images_per_second"]["0"]
    ),
}
SOURCES = ("step", "scaling", "evaluation", "msda", "loader")


def read_results(commit: str | None) -> dict[str, Any]:
    """Results by benchmark, of the working tree or of a commit; those that are there."""
    found = {}
    for name in SOURCES:
        path = f"benchmarks/results/{name}.json"
        if commit:
            words = ["git", "-C", str(ROOT), "show", f"{commit}:{path}"]
            shown = subprocess.run(words, capture_output=True, text=True)
            text = shown.stdout if shown.returncode == 0 else ""
        else:
            text = (ROOT / path).read_text() if (ROOT / path).is_file() else ""
        if text:
            found[name] = json.loads(text)["results"]
    return found


def ratios(found: Mapping[str, Any]) -> dict[str, float]:
    """Figures by name; what was not measured is left out."""
    made = {}
    for name, figure in FIGURES.items():
        try:
            made[name] = figure(found)
        except KeyError:
            continue
    return made


def cell(value: float | None, before: float | None) -> str:
    """A ratio, bold if it is much less than before; a dash: none, or the same measurement."""
    if value is None or value == before:
        return "-"
    slower = before is not None and value < SLOWER * before
    return f"**{value:.2f}x**" if slower else f"{value:.2f}x"


def page(history: Mapping[str, Mapping[str, float]]) -> str:
    """The page: a row a figure, a column a version, oldest first."""
    versions = sorted(history, key=lambda text: [int(part) for part in text.split(".")])
    lines = [f"| | {' | '.join(versions)} |", "|---" + "|---:" * len(versions) + "|"]
    for name in FIGURES:
        cells, before = [], None
        for version in versions:
            value = history[version].get(name)
            cells.append(cell(value, before))
            before = before if value is None else value
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([HEAD, *lines]) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Keep a version's figures if asked to, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", metavar="VERSION", help="such as 0.2.0")
    parser.add_argument("--commit", help="whose results count (default: the working tree)")
    args = parser.parse_args(arguments)
    history = json.loads(KEPT.read_text()) if KEPT.is_file() else {}
    if args.keep:
        history[args.keep] = ratios(read_results(args.commit))
        with atomic_write(KEPT, "w") as file:
            file.write(json.dumps(history, indent=1) + "\n")
    with atomic_write(PAGE, "w") as file:
        file.write(page(history))


if __name__ == "__main__":
    main()
