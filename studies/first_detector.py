"""A first detector of own data in minutes of one thread: which settings, by trials on val.

    python -m studies.first_detector DATA --trials [NAME ...]   # without names: all
    python -m studies.first_detector DATA --final [SEED ...]    # the chosen one, once on test
    python -m studies.first_detector DATA --final --recipe small-distorted-at256

Finished runs are read, interrupted ones go on; tables land in docs/first_detector.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from aligndetr.engine.run import evaluate
from aligndetr.errors import UserError
from aligndetr.files import atomic_write
from studies import page
from studies.page import Row, table
from studies.recipes import CHOSEN, CHOSEN_SMALL, TRIALS, Trial, trial_config
from studies.training import exit_code, run

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "studies/results/first_detector.json"
PAGE = ROOT / "docs/first_detector.md"


def measure(trial: Trial, data: Path, seed: int, work: Path) -> Row:
    """Train a trial, unless that is done already; its row, of val."""
    row = {"trial": trial.name, "seed": seed, "steps": trial.steps, "split": "val"}
    if trial.of is not None:
        measure(TRIALS[trial.of], data, seed, work)
        return {**row, "cpu_seconds": None, **judge(trial, data, seed, work, "val")}
    found = run(trial_config(trial, data, seed), work / trial.name / f"seed{seed}")
    results = found["results"]
    row |= {"cpu_seconds": found["cpu_seconds"], **_figures(results["bbox"])}
    return row | {"last": _figures(results["model/bbox"])} if "model/bbox" in results else row


def test(trial: Trial, data: Path, seed: int, work: Path) -> Row:
    """Evaluate a finished run on the split on which nothing was chosen, once; its row."""
    row = {"trial": trial.name, "seed": seed, "steps": trial.steps, "split": "test"}
    return row | judge(trial, data, seed, work, "test")


def judge(trial: Trial, data: Path, seed: int, work: Path, split: str) -> dict[str, float]:
    """Figures of a trial's last weights on a split; evaluated once, then read."""
    note = work / trial.name / f"seed{seed}" / f"{split}.json"
    if not note.is_file():
        config = trial_config(trial, data, seed)
        config.dataloader.test.dataset.split = split
        config.train.output_dir = str(note.with_suffix(""))
        weights = work / (trial.of or trial.name) / f"seed{seed}" / "model_final.pth"
        results = evaluate(config, str(weights), "model")
        with atomic_write(note) as file:
            json.dump(results["bbox"], file)
    return _figures(json.loads(note.read_text(encoding="utf-8")))


def _figures(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if value == value}


def with_row(rows: list[Row], row: Row) -> list[Row]:
    """The rows with a new one, in the order of `TRIALS`; it replaces its like."""
    return page.with_row(rows, row, list(TRIALS), "trial", "split", "seed")


def trial_table(rows: list[Row]) -> list[str]:
    """A line a run: what was tried, and what it gave on val."""
    cells = []
    for row in (row for row in rows if row["split"] == "val"):
        head = [row["trial"], TRIALS[row["trial"]].words, str(row["seed"]), str(row["steps"])]
        has_average = "last" in row
        last = _cells(row["last"] if has_average else row, "AP", "AP50")
        average = _cells(row, "AP", "AP50") if has_average else ["-", "-"]
        cells.append([*head, *last, *average, spent(row)])
    head = ["trial", "what", "seed", "steps", "val AP", "AP50", "of the average: AP", "AP50"]
    return table([*head, "CPU minutes"], cells)


def test_table(rows: list[Row]) -> list[str]:
    """A line a seed of what was evaluated on test."""
    found = [row for row in rows if row["split"] == "test"]
    names = sorted({name for row in found for name in row if name.startswith("AP-")})
    cells = [[r["trial"], str(r["seed"]), *_cells(r, "AP", "AP50", *names)] for r in found]
    return table(["trial", "seed", "test AP", "AP50", *(name[3:] for name in names)], cells)


def spent(row: Row) -> str:
    """Processor time of a run; none where the weights are another one's."""
    return "-" if TRIALS[row["trial"]].of else page.minutes(row)


def _cells(row: Row, *names: str) -> list[str]:
    return [f"{row[name]:.1f}" for name in names]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("data", type=Path, metavar="DATA", help="folder of the data set, with train, val, test")
    add("--trials", nargs="*", metavar="NAME", help="train these; none: all")
    add("--final", nargs="*", type=int, metavar="SEED", help="train the chosen one, evaluate test")
    add("--recipe", default=CHOSEN, choices=(CHOSEN, CHOSEN_SMALL), help="the chosen one")
    add("--work", type=Path, default=Path("output/first_detector"), help="folder of the runs")
    add("--results", type=Path, default=RESULTS, help="file of the numbers")
    add("--page", type=Path, default=PAGE, help="page with the tables")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, evaluate, write."""
    args = parse(arguments)
    torch.set_num_threads(1)
    return exit_code(lambda: _all(args))


def _all(args: argparse.Namespace) -> None:
    for name in (args.trials or TRIALS) if args.trials is not None else ():
        if name not in TRIALS:
            raise UserError(f"{name}: choose among {', '.join(TRIALS)}")
        _note(args, measure(TRIALS[name], args.data, 0, args.work))
    for seed in (args.final or [0]) if args.final is not None else ():
        _note(args, measure(TRIALS[args.recipe], args.data, seed, args.work))
        _note(args, test(TRIALS[args.recipe], args.data, seed, args.work))
    rows = page.read_rows(args.results)
    for name, lines in (("trials", trial_table(rows)), ("test", test_table(rows))):
        page.write_between(args.page, f"<!-- {name} -->", f"<!-- end of {name} -->", lines)
    print(args.page)


def _note(args: argparse.Namespace, row: Row) -> None:
    page.note(args.results, row, with_row)


if __name__ == "__main__":
    sys.exit(main())
