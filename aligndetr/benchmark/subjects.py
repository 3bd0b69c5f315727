"""What is timed: a model of a config in PyTorch, or an exported file in its own runtime.

All take the same: uint8 images of one size, normalisation and post-processing included; decoding
and resizing are not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.engine.cpu_allocator import tune_allocator
from aligndetr.engine.model import load_model
from aligndetr.errors import UserError
from aligndetr.runtime.exported.metadata import INPUTS

NUM_CLASSES = 80  # where neither config nor checkpoint says
FILES = (".onnx", ".xml")
PRECISIONS = ("fp32", "bf16")

Run = Callable[[np.ndarray], object]
Canvas = tuple[int | None, int | None, int | None]


@dataclass(frozen=True)
class Subject:
    """One of those that are compared.

    Attributes:
        name: as it was given.
        runtime: what computes, and its version.
        precision: what it computes in; "file": as the file has it.
        run: takes (B, 3, H, W) uint8 images, and comes back when they are done.
        canvas: (batch, height, width) where it takes nothing else, each or None.
    """

    name: str
    runtime: str
    precision: str
    run: Run
    canvas: Canvas = (None, None, None)

    def takes(self, batch: int, size: int) -> bool:
        """Whether it takes so many images of so many pixels."""
        return all(
            fixed in (None, asked)
            for fixed, asked in zip(self.canvas, (batch, size, size), strict=True)
        )


def open_subject(
    name: str, threads: int, precision: str = "fp32", overrides: Sequence[str] = ()
) -> Subject:
    """Build or open what a name stands for.

    Args:
        name: a config, whose weights are random, or a file that `aligndetr export` wrote.
        threads: that it computes with.
        precision: "fp32" or "bf16"; ONNX Runtime computes as the file has it.
        overrides: of the config.

    Raises:
        UserError: there is no such thing, it cannot be opened, or its runtime is not installed.
    """
    if precision not in PRECISIONS:
        raise UserError(f"no precision {precision!r}; there are {', '.join(PRECISIONS)}")
    if Path(name).suffix not in FILES:
        return _model(name, precision, overrides)
    if not Path(name).is_file():
        raise UserError(f"there is no file {name}")
    opened = _onnx if Path(name).suffix == ".onnx" else _openvino
    return opened(name, threads, precision)


def _model(name: str, precision: str, overrides: Sequence[str]) -> Subject:
    config = LazyConfig.load(resolve_config(name))
    LazyConfig.apply_overrides(config, list(overrides))
    if config.model.get("num_classes", 0) is None:
        config.model.num_classes = NUM_CLASSES
    torch.manual_seed(0)
    model = load_model(config, None)
    device = next(model.parameters()).device
    if device.type == "cpu":
        tune_allocator(frugal=False)

    @torch.inference_mode()
    def run(images: np.ndarray) -> object:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            found = model(items_of(images))
        if device.type == "cuda":
            torch.cuda.synchronize()
        return found

    return Subject(name, f"torch {torch.__version__}, {device.type}", precision, run)


def items_of(images: np.ndarray) -> list[dict[str, Any]]:
    """A batch (B, 3, H, W) of pixels as a detector takes it."""
    return [
        {"image": torch.from_numpy(image), "height": image.shape[1], "width": image.shape[2]}
        for image in images
    ]


def _onnx(name: str, threads: int, precision: str) -> Subject:
    if precision != "fp32":
        raise UserError(f"{name}: ONNX Runtime computes as the file has it; leave out --precision")
    runtime = _library("onnxruntime", "onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    try:
        session = runtime.InferenceSession(name, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of many kinds, none public
        raise UserError(f"onnxruntime cannot open {name}: {_first_line(error)}") from error
    shapes = {each.name: each.shape for each in session.get_inputs()}
    canvas, dtype = _canvas(name, shapes), _dtype(session.get_inputs()[0].type)
    return Subject(
        name,
        f"onnxruntime {runtime.__version__}",
        "file",
        lambda images: session.run(None, _feeds(images, dtype)),
        canvas,
    )


def _openvino(name: str, threads: int, precision: str) -> Subject:
    library = _library("openvino", "openvino")
    hints = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
        "PERFORMANCE_HINT": "LATENCY",
    }
    try:
        core = library.Core()
        model = core.read_model(name)
        compiled = core.compile_model(model, "CPU", hints)
    except RuntimeError as error:
        raise UserError(f"openvino cannot open {name}: {_first_line(error)}") from error
    shapes = {
        _input_name(each.get_names()): [
            length.get_length() if length.is_static else None for length in each.partial_shape
        ]
        for each in compiled.inputs
    }
    canvas = _canvas(name, shapes)
    dtype = _dtype(compiled.input("images").get_element_type().to_string())
    version = library.__version__.split("-")[0]
    return Subject(
        name,
        f"openvino {version}",
        precision,
        lambda images: compiled(_feeds(images, dtype)),
        canvas,
    )


def _input_name(names: set[str]) -> str:
    """Which input it is: to one tensor a file may give several names."""
    return next((name for name in INPUTS if name in names), min(names, default="?"))


def _canvas(name: str, shapes: Mapping[str, Sequence[Any]]) -> Canvas:
    """(batch, height, width) of the images, None where free."""
    if set(shapes) != set(INPUTS):
        raise UserError(
            f"{name} was not written by `aligndetr export`: its inputs are {', '.join(shapes)}"
        )
    fixed = [length if isinstance(length, int) else None for length in shapes["images"]]
    return fixed[0], fixed[2], fixed[3]


def _dtype(name: str) -> type:
    return np.uint8 if name in ("tensor(uint8)", "u8") else np.float32


def _feeds(images: np.ndarray, dtype: type) -> dict[str, np.ndarray]:
    sizes = np.full((len(images), 2), images.shape[2:], np.int64)
    values = images.astype(dtype, copy=False), sizes, sizes
    return dict(zip(INPUTS, values, strict=True))


def _library(name: str, extra: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise UserError(f"this needs {name}: pip install 'aligndetr[{extra}]'") from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
