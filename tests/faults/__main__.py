"""The campaign at any length: `python -m tests.faults --cases 300 --seed 0`."""

import argparse
import datetime
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from tests.faults.bench import Bench
from tests.faults.campaign import KINDS, run_cases
from tests.faults.report import START, put, rows_of, table


def main():
    """Run cases of each kind, print the table, and write it; 1 if anything was found."""
    args = _arguments()
    torch.set_num_threads(1)
    stamp, tallies, begin = _stamp(args.seed), {}, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder) / "bench")
        for index, kind in enumerate(args.kinds):
            start = time.monotonic()
            share = (begin + args.time_limit - start) / (len(args.kinds) - index)
            tallies[kind] = run_cases(kind, bench, args.seed, args.cases, start + share)
            seconds = time.monotonic() - start
            lines = f"{kind}: {tallies[kind].cases} cases, {seconds:.0f} s", *tallies[kind].examples
            print("\n  ".join(lines), flush=True)
    rows = rows_of(tallies, stamp)
    print(table(rows))
    if args.page:
        put(rows, args.page)
    return int(any(tally.faults for tally in tallies.values()))


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    add, kinds = parser.add_argument, list(KINDS)
    of_each = "of each kind of input; of disturbed runs some less"
    add("--cases", type=int, default=300, metavar="N", help=of_each)
    add("--seed", type=int, default=0)
    add("--kinds", nargs="+", choices=kinds, default=kinds, metavar="KIND", help=", ".join(kinds))
    add("--time-limit", type=float, default=1e9, metavar="S", help="seconds for all kinds")
    add("--page", type=Path, metavar="FILE", help=f"put the rows in there, behind {START}")
    return parser.parse_args()


def _stamp(seed):
    commit = _git("rev-parse", "--short", "HEAD") or "no commit"
    changed = " and changes" if _git("status", "--porcelain", "aligndetr", "tests") else ""
    return f"{datetime.date.today()}, {commit}{changed}, {seed}"


def _git(*words):
    return subprocess.run(
        ["git", *words], check=False, capture_output=True, text=True
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
