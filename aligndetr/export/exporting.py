"""From a checkpoint to a file that has been proved, or is named as rejected."""

from __future__ import annotations

import copy
import logging
import os
import shutil
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from aligndetr.config import instantiate
from aligndetr.engine.model import load_model
from aligndetr.engine.operating_point import hash_weights
from aligndetr.errors import ExportError
from aligndetr.export import onnx_file, openvino_file, torch_file
from aligndetr.export.agreement import tolerance_of
from aligndetr.export.describe import describe, example_canvas, resize_rule
from aligndetr.export.diagnosis import first_difference
from aligndetr.export.gate import Judgement, judge
from aligndetr.export.graph import DetectionGraph
from aligndetr.export.judged_images import calibration_images, choose_images
from aligndetr.export.program import Canvas, trace
from aligndetr.export.quantization import quantize_onnx, quantize_openvino
from aligndetr.export.runtimes import open_file
from aligndetr.files import writing
from aligndetr.modeling.folding import fold
from aligndetr.runtime.exported.opened import OnnxFile
from aligndetr.runtime.exported.preparing import prepare

logger = logging.getLogger(__name__)

FORMATS = {"onnx": onnx_file, "openvino": openvino_file, "torch_export": torch_file}
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torch_export": ".pt2"}
QUANTIZERS = {"onnx": quantize_onnx, "openvino": quantize_openvino}
NAME, REJECTED = "model", ".rejected"
ROUNDING = 1e-3  # of the largest value of a tensor, for where a difference starts


@dataclass(frozen=True)
class Wish:
    """What kind of file is wanted.

    Attributes:
        format: a key of `FORMATS`.
        precision: "fp32", "fp16" or "int8".
        canvas: the only size that the file shall take; None: any batch, height and width.
        dtype: of the images: "uint8" or "float32", 0 to 255.
        calibration: images of the training set that show what int8 must span.
    """

    format: str
    precision: str = "fp32"
    canvas: Canvas | None = None
    dtype: str = "uint8"
    calibration: int = 100


@dataclass(frozen=True)
class Proof:
    """How a file is judged.

    Attributes:
        images: files and folders; empty: the config's test set, or the demo's.
        count: images, at most.
        provider: what the runtime shall compute with; None: its CPU.
        max_ap_drop: most AP that may be lost; None: what `agreement.TOLERANCES` say.
    """

    images: Sequence[str] = ()
    count: int = 100
    provider: str | None = None
    max_ap_drop: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What an export wrote.

    Attributes:
        path: of the file; it ends with `.rejected` if the gate did not let it pass.
        judgement: what the gate found; None if it was not asked.
    """

    path: Path
    judgement: Judgement | None


class Source:
    """A detector that can be exported, and judged by.

    Args:
        config: of the experiment.
        checkpoint: see `load_model`.
        weights: see `load_model`.
    """

    def __init__(
        self, config: DictConfig, checkpoint: str | os.PathLike | None, weights: str | None = None
    ) -> None:
        self.config = config
        self.model: Any = load_model(config, checkpoint, weights=weights, device="cpu")
        self.mapper: Any = instantiate(config.dataloader.test.mapper)


def export(source: Source, wish: Wish, output: str | os.PathLike, proof: Proof | None) -> Outcome:
    """Write a file, and judge it.

    Args:
        source: what to export.
        wish: as what.
        output: folder; the file is there whole, or not at all.
        proof: how to judge it; None leaves it unverified, and its metadata says so.

    Raises:
        ExportError: the model cannot be exported so, or a package is missing.
    """
    kind = FORMATS[wish.format]
    if wish.precision == "int8" and wish.format not in QUANTIZERS:
        raise ExportError(f"{wish.format} has no int8; choose {' or '.join(QUANTIZERS)}")
    canvas = wish.canvas or example_canvas(resize_rule(source.mapper.augmentation))
    detector = fold(copy.deepcopy(source.model))
    graph = DetectionGraph(detector, half=wish.precision == "fp16").eval()
    program = trace(graph, canvas, getattr(torch, wish.dtype))
    metadata = describe(source.config, source.model, source.mapper, program, canvas)
    metadata |= {"format": wish.format, "precision": wish.precision}
    content = kind.convert(program, canvas.fixed)
    if wish.precision == "int8":
        images = calibration_images(source.config, wish.calibration)
        content = QUANTIZERS[wish.format](content, metadata, images)
    with _unfinished(Path(output)) as folder:
        path = folder / f"{NAME}{SUFFIXES[wish.format]}"
        kind.write(content, metadata, path)
        judgement = None
        if proof is not None:
            judgement = verify(source, path, proof)
            metadata["verification"] = judgement.plain()
            kind.write(content, metadata, path)
        is_rejected = judgement is not None and not judgement.passed
        return Outcome(_move(folder, Path(output), path.name, is_rejected), judgement)


def verify(source: Source, path: str | os.PathLike, proof: Proof) -> Judgement:
    """Judge a file that exists already; it is not changed.

    Raises:
        ExportError: it cannot be opened or run.
    """
    file = open_file(path, proof.provider)
    if file.metadata.get("weights_hash") != hash_weights(source.model.state_dict()):
        logger.warning("%s was made of other weights than it is compared with", path)
    tolerance = tolerance_of(file.metadata["precision"], proof.max_ap_drop)
    names = source.model.class_names
    images = choose_images(source.config, proof.images, proof.count, names)
    judgement = judge(file, source.model, source.mapper, images, tolerance)
    if judgement.passed or tolerance.needs_precision or not isinstance(file, OnnxFile):
        return judgement
    canvas = file.metadata["canvas"]
    first = list(islice(images, canvas["batch"] if canvas else 1))
    start = first_difference(Path(path), source.model, prepare(first, file.metadata), ROUNDING)
    return replace(judgement, start=start)


@contextmanager
def _unfinished(output: Path) -> Generator[Path]:
    """A folder beside the results, for what may never be finished."""
    with writing(output):
        output.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".export-", dir=output))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _move(folder: Path, output: Path, name: str, is_rejected: bool) -> Path:
    """Move all files of a folder to the output, in place of earlier ones; the path of `name`."""
    ending = REJECTED if is_rejected else ""
    files = sorted(folder.iterdir(), key=lambda path: path.name == name)  # the one that counts last
    for path in files:
        os.replace(path, output / f"{path.name}{ending}")
        if not is_rejected:
            (output / f"{path.name}{REJECTED}").unlink(missing_ok=True)
    return output / f"{name}{ending}"
