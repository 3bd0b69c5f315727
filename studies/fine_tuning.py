"""Own data from nothing, or from a detector of other data: how much does that help?

    python -m studies.fine_tuning DATA

Starts from what `python -m studies.tiny aligndetr_tiny` and `python -m studies.first_detector DATA
--final 0` have trained. Rows of studies/results are not trained again, interrupted runs go on; the
table lands in docs/first_detector.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import torch
from omegaconf import DictConfig

from aligndetr.config import LazyConfig
from aligndetr.data.conversion import convert
from aligndetr.errors import UserError
from aligndetr.files import atomic_write
from studies import first_detector, page
from studies.page import Row, table
from studies.recipes import CHOSEN, TRIALS, trial_config
from studies.training import exit_code, run

RESULTS = first_detector.ROOT / "studies/results/fine_tuning.json"
FEW, FEW_CLASSES = 40, ("WBC", "Platelets")
RATES = {"nothing": 3e-3, "detector": 1e-3}  # a third, for weights that know something already


@dataclass(frozen=True)
class Transfer:
    """A data set, and a detector of another one.

    Attributes:
        name: of its folder and rows.
        words: for the table.
        steps: of the optimizer.
        start: file of the detector.
        made_by: the command that trains it.
    """

    name: str
    words: str
    steps: int
    start: Path
    made_by: str


TRANSFERS = (
    Transfer(
        "all",
        "drawn shapes -> all of BCCD, three new classes",
        600,
        Path("output/tiny/aligndetr_tiny/seed0/model_final.pth"),
        "python -m studies.tiny aligndetr_tiny",
    ),
    Transfer(
        "few",
        f"BCCD -> {FEW} other photographs, two of its classes in another order",
        300,
        Path("output/first_detector") / (TRIALS[CHOSEN].of or CHOSEN) / "seed0/model_final.pth",
        "python -m studies.first_detector DATA --final 0",
    ),
)


def few_photographs(data: Path, folder: Path) -> list[str]:
    """A small data set of another kind: some of val to learn from, test to judge by.

    Args:
        data: with the splits val and test.
        folder: where it is made, unless it is there already.

    Returns:
        Overrides that choose it.
    """
    everything = folder / "all"
    if not everything.is_dir():
        convert(data, everything, "coco")
    words = ["dataloader.train.dataset.path=null"]
    for part, split, count in (("train", "val", FEW), ("test", "test", None)):
        content = json.loads((everything / f"{split}.json").read_text(encoding="utf-8"))
        path = folder / f"{part}.json"
        with atomic_write(path) as file:
            json.dump(_with_classes(content, count), file)
        words += [
            f"dataloader.{part}.dataset.json_file={path}",
            f"dataloader.{part}.dataset.image_root={everything / 'images' / split}",
        ]
    return words


def _with_classes(content: dict, count: int | None) -> dict:
    """The first images, with objects of `FEW_CLASSES` only."""
    numbers = {category["name"]: category["id"] for category in content["categories"]}
    ids = {numbers[name]: place for place, name in enumerate(FEW_CLASSES, start=1)}
    images = sorted(content["images"], key=lambda image: image["file_name"])[:count]
    kept = {image["id"] for image in images}
    objects = [
        {**one, "category_id": ids[one["category_id"]]}
        for one in content["annotations"]
        if one["image_id"] in kept and one["category_id"] in ids
    ]
    categories = [{"id": place, "name": name} for place, name in enumerate(FEW_CLASSES, start=1)]
    return {**content, "images": images, "annotations": objects, "categories": categories}


def config_of(transfer: Transfer, start: str, data: Path, work: Path) -> DictConfig:
    """The config of a run from `start`, "nothing" or "detector"; judged on test."""
    trial = replace(TRIALS[CHOSEN], steps=transfer.steps)
    words = [
        "dataloader.test.dataset.split=test",
        f"optimizer.lr={RATES[start]}",
        f"train.init_checkpoint={transfer.start.absolute() if start == 'detector' else ''}",
    ]
    if transfer.name == "few":
        words += few_photographs(data, work / "data")
    return LazyConfig.apply_overrides(trial_config(trial, data, 0), words)


def measure(transfer: Transfer, start: str, data: Path, work: Path) -> Row:
    """Train, unless that is done already; the row.

    Raises:
        UserError: the detector to start from was not trained.
    """
    if not transfer.start.is_file():
        raise UserError(f"there is no {transfer.start}: run `{transfer.made_by}` first")
    config = config_of(transfer, start, data, work)
    found = run(config, work / f"{transfer.name}_{start}")
    metrics = found["results"]["bbox"]
    row = {"transfer": transfer.name, "start": start, "steps": transfer.steps}
    return row | {name: metrics[name] for name in ("AP", "AP50")}


def with_row(rows: list[Row], row: Row) -> list[Row]:
    """The rows with a new one; it replaces its like."""
    return page.with_row(rows, row, [one.name for one in TRANSFERS], "transfer", "start")


def lines(rows: list[Row]) -> list[str]:
    """A line a data set."""
    cells = []
    for transfer in TRANSFERS:
        found = {row["start"]: row for row in rows if row["transfer"] == transfer.name}
        figures = [
            f"{found[start][name]:.1f}" if start in found else "-"
            for start in RATES
            for name in ("AP", "AP50")
        ]
        cells.append([transfer.words, str(transfer.steps), *figures])
    return table(["", "steps", "from nothing: AP", "AP50", "from the detector: AP", "AP50"], cells)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, evaluate, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("data", type=Path, metavar="DATA", help="folder of BCCD, with train, val, test")
    add("--work", type=Path, default=Path("output/fine_tuning"), help="folder of the runs")
    add("--results", type=Path, default=RESULTS, help="file of the numbers")
    add("--page", type=Path, default=first_detector.PAGE, help="page with the table")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    return exit_code(lambda: _all(args))


def _all(args: argparse.Namespace) -> None:
    work = args.work.absolute()
    for transfer, start in product(TRANSFERS, RATES):
        if not page.has_row(args.results, transfer=transfer.name, start=start):
            page.note(args.results, measure(transfer, start, args.data.absolute(), work), with_row)
    found = lines(page.read_rows(args.results))
    page.write_between(args.page, "<!-- fine-tuning -->", "<!-- end of fine-tuning -->", found)
    print(args.page)


if __name__ == "__main__":
    sys.exit(main())
