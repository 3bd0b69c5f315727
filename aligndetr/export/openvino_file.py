"""An OpenVINO file: a .xml, and its weights in the .bin beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch.export import ExportedProgram

from aligndetr.errors import ExportError
from aligndetr.export import onnx_file
from aligndetr.runtime.exported.metadata import KEY, to_text
from aligndetr.runtime.packages import require


def convert(program: ExportedProgram, canvas_is_fixed: bool) -> Any:
    """An OpenVINO model of a traced graph, by way of ONNX.

    Raises:
        ExportError: a package is missing, or an operator cannot be expressed.
    """
    openvino = require("openvino", "openvino")
    message = onnx_file.convert(program, canvas_is_fixed)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(message.SerializeToString())
        try:
            return openvino.convert_model(path)
        except Exception as error:  # of the kinds of its front ends
            reason = str(error).strip().splitlines()[0]
            raise ExportError(f"openvino cannot express the model: {reason}") from error


def write(model: Any, metadata: Mapping[str, Any], path: Path) -> None:
    """Write a model with metadata to files that nobody reads yet."""
    openvino = require("openvino", "openvino")
    model.set_rt_info(to_text(metadata), [KEY])
    openvino.save_model(model, path, compress_to_fp16=metadata["precision"] == "fp16")
