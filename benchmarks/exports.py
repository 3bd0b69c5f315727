"""What a trained detector loses and gains as a file: AP and time of each format and precision.

    python -m benchmarks.exports --checkpoint model_final.pth [KEY=VALUE ...]

The config is the checkpoint's, unless one is named. int8 is calibrated on its training set, AP is
of its whole test set, and times are from a decoded image to its detections, resizing included, on
images of that set, in turns. Runtimes take all cores.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from aligndetr.benchmark.measure import alternate
from aligndetr.commands.arguments import (
    add_checkpoint_arguments,
    add_config_arguments,
    add_trust_argument,
    load_config,
)
from aligndetr.engine.cpu_allocator import tune_allocator
from aligndetr.export.eager import detect_eagerly
from aligndetr.export.exporting import Proof, Source, Wish, export
from aligndetr.export.judged_images import choose_images
from aligndetr.export.runtimes import open_file
from aligndetr.modeling.folding import optimise
from aligndetr.runtime.exported.opened import ExportedFile
from aligndetr.runtime.exported.preparing import prepare
from benchmarks.measure import summarise, write_json

WISHES = {
    "ONNX Runtime, fp32": Wish("onnx"),
    "ONNX Runtime, int8": Wish("onnx", "int8"),
    "OpenVINO, fp32": Wish("openvino"),
    "OpenVINO, int8": Wish("openvino", "int8"),
    "torch.export, fp32": Wish("torch_export"),
}
EAGER, OPTIMISED = "PyTorch, fp32", "PyTorch, optimised, fp32"
PROOF = Proof(count=10**6, max_ap_drop=100.0)  # all images; what is lost is told, not refused

Detect = Callable[[np.ndarray], object]


@dataclass(frozen=True)
class Row:
    """One way to run the detector.

    Attributes:
        name: of the way.
        AP: on the test set; that of the model in PyTorch for the model itself.
        megabytes: of the file.
        median_ms: of an image.
        faster: than PyTorch, the median of the turns.
    """

    name: str
    AP: float
    megabytes: float | None
    median_ms: float
    faster: float


def measure(source: Source, wishes: dict[str, Wish], repeats: int) -> list[Row]:
    """Export, judge and time; what loses AP is timed, too.

    Args:
        source: the trained detector.
        wishes: files by name.
        repeats: images that each way detects in, in turns.
    """
    images = choose_images(source.config, (), repeats, source.model.class_names)
    ways: dict[str, Detect] = {
        EAGER: lambda image: detect_eagerly(source.model, source.mapper, image),
        OPTIMISED: _optimised(source),
    }
    judged: dict[str, tuple[float, float | None]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, wish in wishes.items():
            outcome = export(source, wish, Path(folder) / name, PROOF)
            assert outcome.judgement is not None
            found = {figure.name: figure.value for figure in outcome.judgement.figures}
            size = sum(file.stat().st_size for file in outcome.path.parent.glob("model.*"))
            judged[name] = (found["AP of the file"], size / 1e6)
            judged[EAGER] = judged[OPTIMISED] = (found["AP in PyTorch"], None)
            ways[name] = _in_runtime(open_file(outcome.path))
        times = _times(ways, list(images))
    return [
        Row(row["name"], *judged[row["name"]], row["median_ms"], row["speedup"])
        for row in summarise(times, EAGER)
    ]


def _optimised(source: Source) -> Detect:
    model = optimise(copy.deepcopy(source.model))
    return lambda image: detect_eagerly(model, source.mapper, image)


def _in_runtime(file: ExportedFile) -> Detect:
    return lambda image: file.run(prepare([image], file.metadata).feeds())


def _times(ways: dict[str, Detect], images: Sequence[np.ndarray]) -> dict[str, list[float]]:
    """Milliseconds of each image, by way; the first image also warms up."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for index, image in enumerate(images):
        turn = {name: partial(way, image) for name, way in ways.items()}
        for name, found in alternate(turn, 1, warm_up=int(index == 0)).items():
            times[name] += found
    return times


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config_arguments(parser)
    add_trust_argument(parser)
    add_checkpoint_arguments(parser, default=None)
    parser.add_argument("--repeats", type=int, default=50, help="images that are timed")
    parser.add_argument("--title", default="a detector", help="what it is, for the page")
    parser.add_argument("--output", type=Path, help="JSON file of the numbers")
    args = parser.parse_args()
    source = Source(load_config(args), args.checkpoint, args.weights)
    torch.manual_seed(0)
    tune_allocator(frugal=False)
    rows = measure(source, WISHES, args.repeats)
    if args.output:
        write_json(args.output, {"title": args.title, "rows": [asdict(row) for row in rows]})
    for row in rows:
        print(f"{row.name:<28}{row.AP:6.2f} AP {row.median_ms:9.1f} ms {row.faster:5.2f}x")


if __name__ == "__main__":
    main()
