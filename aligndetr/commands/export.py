"""Write a trained model as a file that runs without this package, and prove it.

    aligndetr export --checkpoint model_final.pth --format onnx --output out/
    aligndetr export --checkpoint model_final.pth --verify out/model.onnx

The file is run by its own runtime on real images and compared with PyTorch:
logits, boxes, detections, AP. If it differs by more than rounding explains, it
is named model.onnx.rejected, the exit status is 1, and the report beside it
says where the difference starts. The formats need `aligndetr[onnx]` or
`aligndetr[openvino]`; docs/export.md says more.
"""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from aligndetr.commands.arguments import (
    add_checkpoint_arguments,
    add_config_arguments,
    add_output_argument,
    add_trust_argument,
    load_config,
)
from aligndetr.errors import UserError

if TYPE_CHECKING:
    from aligndetr.export.exporting import Proof, Wish
    from aligndetr.export.gate import Judgement
    from aligndetr.export.program import Canvas

_SIZE = re.compile(r"([1-9]\d*)x([1-9]\d*)(?:x([1-9]\d*))?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add = parser.add_argument
    add_config_arguments(parser)
    add_trust_argument(parser)
    add_checkpoint_arguments(parser, default=None)
    add_output_argument(parser, default="exported")
    add("--format", choices=("onnx", "openvino", "torch_export"), default="onnx")
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument(
        "--half", action="store_true", help="float16, but for deformable attention and norms"
    )
    precision.add_argument(
        "--int8", action="store_true", help="8 bits before the decoder; judged by AP"
    )
    add(
        "--num-calibration",
        type=int,
        default=100,
        metavar="N",
        help="images of the training set for --int8 (default: %(default)s)",
    )
    add("--fixed-size", metavar="HxW[xB]", help="the only size taken (default: any; B: 1)")
    add(
        "--input-dtype",
        choices=("uint8", "float32"),
        default="uint8",
        help="of the images, 0 to 255 in any case (default: %(default)s)",
    )
    add("--images", nargs="+", default=[], metavar="PATH", help="to judge by, files or folders")
    add(
        "--num-images",
        type=int,
        default=100,
        metavar="N",
        help="to judge by: of --images, else of the config's test set, or of the demo where that "
        "is not here (default: %(default)s)",
    )
    add("--max-ap-drop", type=float, metavar="AP", help="most AP that may be lost, in points")
    add("--provider", metavar="NAME", help="what the runtime computes with (default: its CPU)")
    add("--no-verify", action="store_true", help="do not judge; the file then says so")
    add("--verify", metavar="FILE", help="judge this file instead of writing one")


def run(args: argparse.Namespace) -> int:
    """Write and judge, or only judge.

    Returns:
        1 if the file is rejected.

    Raises:
        UserError: a package or image is missing, or the model cannot be exported so.
    """
    from aligndetr.export.exporting import Source, export, verify

    proof, wish = _proof(args), _wish(args)
    source = Source(load_config(args), args.checkpoint, args.weights)
    if args.verify:
        return _conclude(verify(source, args.verify, proof), args.verify)
    outcome = export(source, wish, args.output, None if args.no_verify else proof)
    if outcome.judgement is None:
        print(f"{outcome.path} was written, and NOT verified")
        return 0
    return _conclude(outcome.judgement, outcome.path)


def _proof(args: argparse.Namespace) -> Proof:
    from aligndetr.export.exporting import Proof

    for name in ("num_images", "num_calibration"):
        if (count := getattr(args, name)) < 1:
            raise UserError(f"--{name.replace('_', '-')} {count}: give at least 1")
    if args.verify and args.no_verify:
        raise UserError("--verify and --no-verify contradict each other")
    return Proof(args.images, args.num_images, args.provider, args.max_ap_drop)


def _wish(args: argparse.Namespace) -> Wish:
    from aligndetr.export.exporting import Wish

    precision = "fp16" if args.half else "int8" if args.int8 else "fp32"
    canvas = _canvas(args.fixed_size)
    return Wish(args.format, precision, canvas, args.input_dtype, args.num_calibration)


def _canvas(text: str | None) -> Canvas | None:
    from aligndetr.export.program import Canvas

    if text is None:
        return None
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UserError(f"--fixed-size {text}: give height x width, such as 640x640 or 640x640x8")
    height, width, batch = (int(number or 1) for number in match.groups())
    return Canvas(height, width, batch, fixed=True)


def _conclude(judgement: Judgement, path: object) -> int:
    """Print what was found, write the report; the exit status."""
    from pathlib import Path

    from aligndetr.export.report import as_table, write_report

    print(as_table(judgement))
    reports = write_report(judgement, Path(str(path)))
    print(f"{path}, report in {reports[0].name}")
    return 0 if judgement.passed else 1
