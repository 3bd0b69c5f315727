"""Write one page that shows a run, or several beside each other.

    aligndetr report output/run
    aligndetr report output/dino_seed* output/align_seed* --output compared.html

The page is one HTML file that needs neither a network nor this program: figures
with intervals, curves, thresholds, errors with their images, calibration. A
training writes it at its end. Runs of detectron2 and detrex are read as well
(metrics.json, coco_instances_results.json, config.yaml). What a folder lacks is
said on the page.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aligndetr.commands.arguments import add_rounds_argument, add_trust_argument, check_rounds

if TYPE_CHECKING:
    from aligndetr.report import ReportedRun


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add = parser.add_argument
    add("runs", nargs="+", metavar="RUN", help="the folder of a run")
    add("--output", metavar="FILE", help="default: report.html in the folder, or here of several")
    add("--json-file", metavar="JSON", help="ground truth (default: the test data of each run)")
    add("--image-root", metavar="DIR", help="the images of --json-file (default: its folder)")
    add("--base", metavar="CONFIG", help="compare the config with this one, by name or file")
    add_rounds_argument(parser)
    add_trust_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Read, and write the page.

    Raises:
        UserError: a folder is of no run, or the page cannot be written.
    """
    from aligndetr.errors import UserError
    from aligndetr.files import atomic_write
    from aligndetr.interop import enable_foreign_configs
    from aligndetr.report import REPORT_FILE

    if args.image_root and not args.json_file:
        raise UserError("--image-root is where the images of --json-file are: give both")
    check_rounds(args.rounds)
    enable_foreign_configs()
    alone = len(args.runs) == 1
    text, notes = _page_of_one(args) if alone else _page_of_several(args)
    folder = Path(args.runs[0]).expanduser() if alone else Path()
    output = Path(args.output or folder / REPORT_FILE)
    with atomic_write(output) as file:
        file.write(text)
    for sentence in notes:
        print(f"note: {sentence}")
    print(f"written: {output} ({len(text.encode()) / 1e6:.1f} MB)")
    return 0


def _page_of_one(args: argparse.Namespace) -> tuple[str, list[str]]:
    from aligndetr.report import reported_run, run_page

    run = reported_run(args.runs[0], _dataset_finder(args), args.rounds)
    return run_page(run, inspector(run, args.trust_config), args.base), run.notes


def _page_of_several(args: argparse.Namespace) -> tuple[str, list[str]]:
    from aligndetr.report import recorded_run, runs_page

    runs = [recorded_run(folder) for folder in args.runs]
    text = runs_page(runs, _dataset_finder(args))
    return text, [f"{run.listed.name}: {sentence}" for run in runs for sentence in run.notes]


def _dataset_finder(args: argparse.Namespace) -> Callable[[Path], Any]:
    from aligndetr.analysis.stored import dataset_of_run
    from aligndetr.data import load_dataset

    if args.json_file is None:
        return dataset_of_run
    root = args.image_root or Path(args.json_file).parent
    return lambda folder: load_dataset(None, json_file=args.json_file, image_root=root)


def inspector(run: ReportedRun, trust_config: bool) -> Callable[[dict], Any] | None:
    """What looks into the run's best weights; None, and a note, where there are none."""
    from aligndetr.evaluation.run_files import BEST_WEIGHTS, FINAL_WEIGHTS

    paths = [run.listed.folder / name for name in (BEST_WEIGHTS, FINAL_WEIGHTS)]
    found = next((path for path in paths if path.is_file()), None)
    if found is None or run.judged is None:
        return None
    names = list(run.judged.dataset.class_names)
    return run.tried("No matches of the layers", lambda: _inspector(found, names, trust_config))


def _inspector(
    checkpoint: Path, class_names: list[str], trust_config: bool
) -> Callable[[dict], Any]:
    from functools import partial

    from aligndetr.config import instantiate
    from aligndetr.engine.model import load_model
    from aligndetr.engine.stored_config import stored_config
    from aligndetr.explanation.inspection_record import inspect_record

    config = stored_config(checkpoint, trust_config)
    model = load_model(config, checkpoint, class_names)
    return partial(inspect_record, model, instantiate(config.dataloader.test.mapper))
