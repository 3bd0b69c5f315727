"""An ONNX file."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from aligndetr.errors import ExportError
from aligndetr.export.graph import FREE_SIZES
from aligndetr.layers.ms_deform_attn.onnx_translation import OPSET, deform_attn_in_onnx
from aligndetr.runtime.exported.metadata import INPUTS, KEY, OUTPUTS, to_text
from aligndetr.runtime.packages import require

EXTRA = "onnx"
PART = "namespace"  # of a node's metadata: the modules that it comes from
LARGEST = 2**31 - 2**20  # bytes of a protobuf message


def convert(program: ExportedProgram, canvas_is_fixed: bool) -> Any:
    """An ONNX model (a protobuf message) of a traced graph.

    Raises:
        ExportError: a package is missing, or ONNX has no translation of an operator.
    """
    for package in ("onnx", "onnxscript"):
        require(package, EXTRA)
    translations: dict[Any, Any] = {
        torch.ops.aligndetr.deform_attn.default: deform_attn_in_onnx,
        torch.ops.aten.layer_norm.default: _layer_norm,
        torch.ops.aten.sort.stable: _stable_sort,
    }
    try:
        with _silence():
            # its own optimiser makes files that onnxruntime refuses: it merges clamps wrongly
            converted: Any = torch.onnx.export(
                program,
                (),
                input_names=list(INPUTS),
                output_names=list(OUTPUTS),
                opset_version=OPSET,
                dynamo=True,
                optimize=False,
                custom_translation_table=translations,
            )
            _simplify(converted.model)
    except torch.onnx.errors.OnnxExporterError as error:
        raise ExportError(f"ONNX cannot express the model: {_reason(error)}") from error
    message = converted.model_proto
    if not canvas_is_fixed:
        _name_free_sizes(message, program)
    _name_by_part(message)
    return message


def _layer_norm(
    x: Any, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, fast: bool = True
) -> Any:
    """In float32, as autocast computes it."""
    from onnxscript import FLOAT
    from onnxscript import opset18 as op

    inputs = [each for each in (x, weight, bias) if each is not None]
    if x.dtype == FLOAT.dtype:
        return op.LayerNormalization(*inputs, axis=-len(shape), epsilon=eps)[0]
    inputs = [op.Cast(each, to=FLOAT.dtype) for each in inputs]
    return op.CastLike(op.LayerNormalization(*inputs, axis=-len(shape), epsilon=eps)[0], x)


def _stable_sort(
    x: Any, stable: bool = True, dim: int = -1, descending: bool = False
) -> tuple[Any, Any]:
    """TopK of all: of equal values the first one stays first."""
    from onnxscript import opset18 as op

    rank = len(x.shape)
    count = op.Shape(x, start=dim % rank, end=dim % rank + 1)
    values, indices = op.TopK(x, count, axis=dim, largest=int(descending), sorted=1)
    return values, indices


def _simplify(model: Any) -> None:
    """Compute what depends on no input, and leave out what nothing needs."""
    from onnx_ir.passes import common
    from onnxscript import optimizer

    optimizer.fold_constants(model, input_size_limit=LARGEST, output_size_limit=LARGEST)
    common.RemoveUnusedNodesPass()(model)
    for node in model.graph.all_nodes():
        name = node.metadata_props.get(PART)  # the others hold paths of this machine
        node.metadata_props.clear()
        if name:
            node.metadata_props[PART] = name


def _name_free_sizes(message: Any, program: ExportedProgram) -> None:
    """Call batch, height and width so, instead of s34 and the like."""
    nodes = {node.name: node for node in program.graph.nodes}
    sizes = nodes[program.graph_signature.user_inputs[0]].meta["val"].shape
    places = ((0, "batch"), (2, "height"), (3, "width"))
    names = {str(sizes[axis]): name for axis, name in places}
    graph = message.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param = re.sub(
                    r"\w+", lambda word: names.get(word[0], word[0]), dim.dim_param
                )
    for value in (*graph.input, *graph.output):
        for dim, name in zip(value.type.tensor_type.shape.dim, FREE_SIZES[value.name], strict=True):
            if dim.dim_param:
                dim.dim_param = name


def _name_by_part(message: Any) -> None:
    """Give every node of an ONNX model, and what it makes, the name of its part in front."""
    renamed: dict[str, str] = {}
    kept = {value.name for value in message.graph.output}
    for node in message.graph.node:
        scopes = [entry.value for entry in node.metadata_props if entry.key == PART]
        names = [scope.split(":")[0].strip() for scope in scopes[0].split("/")] if scopes else []
        part = next((name for name in reversed(names) if name.startswith("detector.")), "")
        node.name = f"{part}/{node.name}"
        for index, output in enumerate(node.output):
            if output and output not in kept:
                renamed[output] = node.output[index] = f"{part}/{output}"
    for node in message.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)
    for value in message.graph.value_info:
        value.name = renamed.get(value.name, value.name)


def write(message: Any, metadata: Mapping[str, Any], path: Path) -> None:
    """Write a model with metadata to a file that nobody reads yet.

    Raises:
        ExportError: it is too large for one file.
    """
    import onnx

    del message.metadata_props[:]
    onnx.helper.set_model_props(message, {KEY: to_text(metadata)})
    message.producer_name, message.producer_version = "aligndetr", metadata["version"]
    if message.ByteSize() > LARGEST:
        raise ExportError("the model is larger than 2 GB, which one ONNX file cannot hold")
    path.write_bytes(message.SerializeToString())


@contextlib.contextmanager
def _silence() -> Generator[None]:
    """Its progress and remarks are about things that nobody can change."""
    logs = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    before = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(logs, before, strict=True):
            log.setLevel(level)


def _reason(error: BaseException) -> str:
    """The cause that names an operator, else the first line."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
