"""Print the table of docs/detectron2.md: which published configs load, and why others do not.

python docs/make_detrex_table.py CHECKOUT_OF_DETREX CHECKOUT_OF_ALIGNDETR ... [--files]
"""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections import Counter, defaultdict
from pathlib import Path

from aligndetr.config import LazyConfig
from aligndetr.errors import ConfigError
from aligndetr.interop import enable_foreign_configs

EXPERIMENT = re.compile(r"\bmodel\b.*\btrain\b|\btrain\b.*\bmodel\b", re.DOTALL)


def experiments(root: Path) -> list[Path]:
    """Configs of whole trainings; parts that these import, such as models/, are left out."""
    found = sorted(root.glob("projects/*/configs/**/*.py"))
    texts = {p: p.read_text(encoding="utf-8") for p in found if p.parent.name != "models"}
    return [p for p, text in texts.items() if "lr_multiplier" in text and EXPERIMENT.search(text)]


def why_not(path: Path, root: Path) -> str:
    """Why a config of a checkout does not load, in a few words; empty if it does."""
    try:
        LazyConfig.load(path)
    except ConfigError as error:
        message = str(error).splitlines()[0].removeprefix("in ").replace(f"{root}/", "")
        message = re.sub(r"^\S+\.py:\d+: ", "", message)
        return re.split(r" has no counterpart|: a term has", message)[0]
    return ""


def main(arguments: list[str]) -> None:
    """One row a project; with --files one line a file instead."""
    enable_foreign_configs()
    logging.disable()
    warnings.simplefilter("ignore")
    rows: dict[str, Counter] = defaultdict(Counter)
    for root in (Path(argument) for argument in arguments if not argument.startswith("--")):
        for path in experiments(root):
            reason = why_not(path, root)
            rows[path.relative_to(root).parts[1]][reason] += 1
            if "--files" in arguments:
                print(path.relative_to(root), reason or "loads", sep="\t")
    loaded = sum(row[""] for row in rows.values())
    files = sum(row.total() for row in rows.values())
    print(f"\n{loaded} of {files} load.\n")
    print("| project | loads | refused, with the first name that has no counterpart |")
    print("|---|---|---|")
    for project, row in rows.items():
        refused = ", ".join(f"{n} x `{reason}`" for reason, n in row.items() if reason)
        print(f"| {project} | {row['']} of {row.total()} | {refused} |")


if __name__ == "__main__":
    main(sys.argv[1:])
