"""Lines of Python by folder of the package at two commits, as a table of docs/architecture.md.

python docs/make_size_table.py a2921df HEAD
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter


def git(*words: str) -> str:
    """What git prints."""
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout


def sizes(commit: str) -> tuple[Counter[str], Counter[str]]:
    """Files and lines by folder."""
    files, lines = Counter(), Counter()
    for path in git("ls-tree", "-r", "--name-only", commit, "aligndetr").split():
        if path.endswith(".py"):
            parts = path.split("/")
            folder = f"{parts[1]}/" if len(parts) > 2 else "top level"
            files[folder] += 1
            lines[folder] += git("show", f"{commit}:{path}").count("\n")
    return files, lines


def main(first: str, second: str) -> None:
    """Print the table."""
    (files, lines), (files_after, lines_after) = sizes(first), sizes(second)
    print(f"| folder | files, {first} | lines | files, {second} | lines |\n|---|---|---|---|---|")
    for folder in sorted(lines | lines_after):
        cells = [counter[folder] for counter in (files, lines, files_after, lines_after)]
        print(f"| `{folder}` | {' | '.join(map(str, cells))} |")
    totals = [sum(c.values()) for c in (files, lines, files_after, lines_after)]
    print(f"| all | {' | '.join(map(str, totals))} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
