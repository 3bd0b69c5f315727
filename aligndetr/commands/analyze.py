"""Why a detector is wrong, how sure it is, and which thresholds to use.

    aligndetr analyze output/run
    aligndetr analyze predictions.json --json-file ground_truth.json

Reads the predictions that an evaluation stored (`coco_instances_results.json`,
also detectron2's), prints COCO's numbers with intervals, the best threshold of
each class, kinds of errors, recall by what objects are like, and calibration;
writes `analysis.json` and a picture.

`--checkpoint` names the weights that the predictions came from: a copy with
the thresholds in it is written beside the analysis, and `aligndetr predict`
uses them. Fit them on validation data, and report figures of other data.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from aligndetr.commands.arguments import (
    add_output_argument,
    add_rounds_argument,
    add_weights_argument,
    check_rounds,
)

JSON_FILE, PICTURE, CHECKPOINT = "analysis.json", "analysis.png", "model_operating_point.pth"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add = parser.add_argument
    add("predictions", metavar="RUN", help="a run's folder, or a file of predictions")
    add("--json-file", metavar="JSON", help="ground truth (default: the test data of the run)")
    add_rounds_argument(parser)
    add("--checkpoint", metavar="FILE", help="whose predictions these are, for the thresholds")
    add_weights_argument(parser, "ema if there is one")
    add(
        "--calibrator",
        choices=("isotonic", "linear"),
        help="also store how scores become expected overlaps (default: not)",
    )
    add_output_argument(parser, default="analysis")


def run(args: argparse.Namespace) -> int:
    """Print, write and draw.

    Raises:
        UserError: no predictions, of another dataset, or broken; no ground truth; too few rounds;
            or the checkpoint does not fit.
    """
    import numpy as np

    from aligndetr.analysis.analysis import analyze, plain
    from aligndetr.analysis.pictures import draw_analysis
    from aligndetr.analysis.stored import (
        dataset_of_run,
        find_predictions,
        objects_of,
        read_predictions,
    )
    from aligndetr.analysis.text import format_analysis
    from aligndetr.data import load_dataset
    from aligndetr.files import atomic_write

    check_rounds(args.rounds)
    path = find_predictions(args.predictions)
    if args.json_file:
        dataset = load_dataset(None, json_file=args.json_file, image_root=".")
    else:
        dataset = dataset_of_run(args.predictions)
    truth = objects_of(dataset)
    if args.json_file:
        truth["info"].pop("objects")  # whoever names a file may have corrected them since
    annotations = read_predictions(path, truth)
    sizes = {record["image_id"]: (record["width"], record["height"]) for record in dataset}
    of_images = np.array([sizes[image["id"]] for image in truth["images"]])
    analysis = analyze(truth, annotations, of_images, args.rounds)
    counts = f"{len(sizes)} images, {len(truth['annotations'])} objects"
    title = f"{path}, {len(annotations)} detections\n{dataset.name}: {counts}"
    print(format_analysis(analysis, title))
    empty = len(sizes) - len({entry["image_id"] for entry in annotations})
    if empty:
        print(
            f"\nnote: {empty} of {len(sizes)} images have no detection: were all of them evaluated?"
        )
    output = Path(args.output)
    with atomic_write(output / JSON_FILE) as file:
        file.write(json.dumps(plain(analysis), indent=1))
    draw_analysis(analysis, output / PICTURE)
    print(f"\nwritten: {output / JSON_FILE}, {output / PICTURE}")
    if args.checkpoint:
        _store(args, analysis, dataset.name, output / CHECKPOINT)
    return 0


def _store(args: argparse.Namespace, analysis: Any, data: str, destination: Path) -> None:
    """Write a copy of the checkpoint that knows its thresholds."""
    from aligndetr.analysis.calibrator import fit
    from aligndetr.engine.checkpoint import choose_weights, load_model_file
    from aligndetr.engine.operating_point import OperatingPoint, write_operating_point
    from aligndetr.interop.references import local_checkpoint

    checkpoint = local_checkpoint(args.checkpoint)
    content = load_model_file(checkpoint)
    which, _ = choose_weights(content, args.weights, args.checkpoint)
    calibrator = args.calibrator and fit(analysis.matches, args.calibrator).plain()
    fitted_on = {"dataset": data, "images": len(analysis.matches.image_ids), "best": "F1, IoU 0.5"}
    point = OperatingPoint(tuple(analysis.thresholds), calibrator, fitted_on)
    write_operating_point(checkpoint, destination, which, point)
    print(f"thresholds of the {which} weights, fitted on {data}: {destination}")
