"""docs/support.md: what ran where, from docs/support/*.json.

python -m pytest -p tests.support_record -n auto --dist loadfile    # adds to docs/support
python docs/make_support_table.py
"""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / ".github/workflows/tests.yml"
SYSTEMS = {"ubuntu": "Linux", "macos": "Darwin", "windows": "Windows"}
HEAD = """# What runs where

Written by `python docs/make_support_table.py` from `docs/support/*.json`, which tests write on the
machine where they run (`python -m pytest -p tests.support_record`). "not run" is what the package's
metadata and the workflow files promise, and no machine has shown here yet. A figure is the number
of tests that passed; in brackets those that were skipped for want of a package or a device.
"""


def promised(text: str) -> list[tuple[str, str]]:
    """Systems and versions of Python that the workflow is to test."""
    systems = re.search(r"os: \[(.*)\]", text)[1].split(", ")
    pythons = re.findall(r"3\.\d+", re.search(r"python: \[(.*)\]", text)[1])
    return [(SYSTEMS[name.partition("-")[0]], python) for name in systems for python in pythons]


def cell(counts: dict[str, int] | None) -> str:
    """What a feature's tests said."""
    if counts is None or not sum(counts.values()):
        return "not run"
    if counts["failed"]:
        return f"**{counts['failed']} failed**, {counts['passed']} passed"
    skipped = f" ({counts['skipped']})" if counts["skipped"] else ""
    return f"{counts['passed']}{skipped}"


def total(record: dict) -> dict[str, int]:
    """Outcomes of all features."""
    features = record["features"].values()
    return {key: sum(one[key] for one in features) for key in ("passed", "failed", "skipped")}


def environments(records: list[dict], pairs: list[tuple[str, str]]) -> list[str]:
    """A table of systems and Pythons: with which torch and device tests ran there."""
    lines = ["| system | Python | torch | device | tests |", "|---|---|---|---|---|"]
    for system, python in pairs:
        here = [r for r in records if r["python"] == python and r["system"].startswith(system)]
        for record in here:
            ran = f"{record['torch']} | {record['device']} | {cell(total(record))}"
            lines.append(f"| {record['system']} | {python} | {ran} |")
        if not here:
            lines.append(f"| {system} | {python} | | | not run |")
        if not any(record["device"] != "CPU" for record in here) and system == "Linux":
            lines.append(f"| {system} | {python} | | GPU | not run |")
    return lines


def features(records: list[dict], names: list[str]) -> list[str]:
    """A table of features, with a column for each machine."""
    heads = [f"{r['system']}, Python {r['python']}, {r['torch']}, {r['device']}" for r in records]
    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name in names:
        cells = [cell(record["features"].get(name)) for record in records]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def page(records: list[dict], workflow: str, names: list[str]) -> str:
    """The whole page."""
    parts = [HEAD, "## Systems\n", *environments(records, promised(workflow))]
    return "\n".join([*parts, "\n## Features\n", *features(records, names)]) + "\n"


def main() -> None:
    """Write the page."""
    from tests.support_record import FEATURES

    records = [json.loads(path.read_text()) for path in sorted(ROOT.glob("docs/support/*.json"))]
    text = page(records, WORKFLOW.read_text(), [*FEATURES, "the rest"])
    (ROOT / "docs/support.md").write_text(text)


if __name__ == "__main__":
    main()
