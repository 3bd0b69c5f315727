"""Where an ONNX file begins to differ from the detector: part by part, on one image."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aligndetr.export.graph import DetectionGraph
from aligndetr.export.onnx_file import PART
from aligndetr.runtime.exported.preparing import Prepared

DEEPEST = 3  # names such as encoder.layers.0 and backbone.res3.1
Seen = dict[str, list[np.ndarray]]


def first_difference(
    path: Path, model: nn.Module, prepared: Prepared, tolerance: float
) -> str | None:
    """The first part of the detector that computes something else in a file.

    The file is run with what crosses the borders of its parts as further outputs.

    Args:
        path: an ONNX file whose nodes say which part they come from.
        model: the detector.
        prepared: one image, or a full fixed canvas.
        tolerance: largest difference, relative to the largest value, that is rounding.

    Returns:
        Name and kind of the part, such as `model.backbone.res3 (Sequential)`; None where no part
        differs by more, or the file does not know its parts, as in half precision.
    """
    import onnx
    import onnxruntime

    message = onnx.load(path)
    borders = _borders(message)
    if not borders:
        return None
    names = sorted({name for part in borders.values() for name in part})
    known = {value.name for value in message.graph.output}
    message.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n not in known)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        message.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found = dict(zip(names, session.run(names, prepared.feeds()), strict=True))
    kinds = {name: type(module).__name__ for name, module in model.named_modules()}
    for part, tensors in _seen(model, prepared).items():
        if _differs(tensors, [found[name] for name in borders.get(part, ())], tolerance):
            return f"model.{part} ({kinds[part]})"
    return None


def _borders(message: Any) -> dict[str, set[str]]:
    """By the name of a part the values that others take from it."""
    parts = {node.name: _parts_of(node) for node in message.graph.node}
    made_by = {name: parts[node.name] for node in message.graph.node for name in node.output}
    borders: dict[str, set[str]] = {}
    taken = [(name, parts[node.name]) for node in message.graph.node for name in node.input]
    taken += [(value.name, frozenset()) for value in message.graph.output]
    for name, takers in taken:
        for part in made_by.get(name, frozenset()) - takers:
            borders.setdefault(part, set()).add(name)
    return borders


def _parts_of(node: Any) -> frozenset[str]:
    """Names, without "detector.", of all modules that a node belongs to."""
    [scopes] = [entry.value for entry in node.metadata_props if entry.key == PART] or [""]
    names = (scope.split(":")[0].strip() for scope in scopes.split("/"))
    return frozenset(name.removeprefix("detector.") for name in names if "detector." in name)


@torch.inference_mode()
def _seen(model: nn.Module, prepared: Prepared) -> Seen:
    """What the parts of the detector compute, in the order in which they first finish."""
    seen: Seen = {}
    with _watched(model, seen):
        DetectionGraph(model)(*map(torch.from_numpy, prepared.feeds().values()))
    return seen


@contextmanager
def _watched(model: nn.Module, seen: Seen) -> Generator[None]:
    def keep(name: str):
        return lambda module, inputs, output: seen.setdefault(name, []).extend(_arrays(output))

    handles = [
        module.register_forward_hook(keep(name))
        for name, module in model.named_modules()
        if name and name.count(".") < DEEPEST
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _arrays(output: Any) -> Iterator[np.ndarray]:
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield output.numpy().copy()  # what follows may change it in place
    elif isinstance(output, Mapping):
        yield from (array for value in output.values() for array in _arrays(value))
    elif isinstance(output, Sequence) and not isinstance(output, str):
        yield from (array for value in output for array in _arrays(value))
    elif is_dataclass(output):
        values = (getattr(output, field.name) for field in fields(output))
        yield from (array for value in values for array in _arrays(value))


def _differs(expected: Sequence[np.ndarray], found: Sequence[np.ndarray], tolerance: float) -> bool:
    """Whether something in the file has the shape of what a part made, and not its values.

    What a part made and nothing needed is not in the file: as many must be alike as can be.
    """
    shapes = {array.shape for array in expected}
    shaped = [array for array in found if array.shape in shapes]
    alike = sum(any(_close(tensor, array, tolerance) for array in shaped) for tensor in expected)
    return alike < min(len(shaped), len(expected))


def _close(expected: np.ndarray, found: np.ndarray, tolerance: float) -> bool:
    if expected.shape != found.shape:
        return False
    limit = tolerance * max(1.0, float(np.abs(expected[np.isfinite(expected)]).max(initial=0)))
    same = (expected == found) | (np.abs(expected - found.astype(expected.dtype)) <= limit)
    return bool(same.all())
