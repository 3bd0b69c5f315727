"""`aligndetr-predict`: draw what an exported detector finds in images and videos.

    aligndetr-predict model.onnx images/ --output out/

Inputs are images, folders that are searched with all their subfolders, patterns
such as 'images/*.jpg', videos, and camera:0. Pictures keep the names of the
images; `predictions.json` holds the same boxes in COCO's format.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .guarded import guarded
from .predict_arguments import add_arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Predict; the exit status, see `guarded`.

    Args:
        arguments: the words after the program's name; None takes them from the command line.
    """
    parser = argparse.ArgumentParser(
        prog="aligndetr-predict",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="FILE", help="model.onnx or model.xml")
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="images, folders, videos")
    add_arguments(parser)
    args = parser.parse_intermixed_args(arguments)
    return guarded(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    from .detector import Detector
    from .predict import predict

    return predict(args, args.inputs, lambda: Detector(args.model, args.provider, args.calibrated))


if __name__ == "__main__":
    sys.exit(main())
