"""Exported files, opened by what will run them."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ExportError
from ..packages import require
from .metadata import KEY, OUTPUTS, from_text

Arrays = dict[str, np.ndarray]


class ExportedFile(ABC):
    """A file that runs.

    Args:
        path: of the file.
        provider: what shall compute, in the runtime's own words; None: its CPU.

    Attributes:
        runtime: package and version.
        provider: what computes, as the runtime says.
        metadata: see `metadata.py`.

    Raises:
        ExportError: the runtime is not installed; the file is damaged, not ours, or of a later
            version; or it would run elsewhere than asked for.
    """

    runtime: str
    provider: str
    metadata: dict[str, Any]

    @abstractmethod
    def __init__(self, path: Path, provider: str | None = None) -> None: ...

    @abstractmethod
    def run(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """Outputs by name, from inputs by name."""

    def _check_provider(self, path: Path, wanted: str, used: set[str]) -> None:
        self.provider = ", ".join(sorted(used))
        if wanted not in used:
            raise ExportError(
                f"{path} was to run on {wanted}, but {self.provider or 'nothing'} computes it"
            )


class OnnxFile(ExportedFile):
    """An ONNX file in ONNX Runtime."""

    def __init__(self, path: Path, provider: str | None = None) -> None:
        runtime = require("onnxruntime", "onnx")
        wanted = provider or "CPUExecutionProvider"
        if wanted not in runtime.get_available_providers():
            known = ", ".join(runtime.get_available_providers())
            raise ExportError(f"this onnxruntime has no {wanted}; it has {known}")
        self.runtime = f"onnxruntime {runtime.__version__}"
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        try:
            self._session = runtime.InferenceSession(os.fspath(path), options, providers=[wanted])
        except Exception as error:  # of many kinds, none public
            raise ExportError(f"onnxruntime cannot open {path}: {first_line(error)}") from error
        text = self._session.get_modelmeta().custom_metadata_map.get(KEY)
        self.metadata = from_text(text, path)
        self._check_provider(path, wanted, self._used())

    def _used(self) -> set[str]:
        """Providers of all nodes; where onnxruntime does not tell, the first one of the session."""
        tell = getattr(self._session, "get_provider_graph_assignment_info", list)
        return {graph.ep_name for graph in tell()} or set(self._session.get_providers()[:1])

    def run(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """See `ExportedFile.run`."""
        try:
            return dict(zip(OUTPUTS, self._session.run(list(OUTPUTS), dict(feeds)), strict=True))
        except Exception as error:
            raise ExportError(f"onnxruntime cannot run the file: {first_line(error)}") from error


class OpenVinoFile(ExportedFile):
    """An OpenVINO file (.xml, its weights in the .bin beside it) in OpenVINO."""

    def __init__(self, path: Path, provider: str | None = None) -> None:
        openvino = require("openvino", "openvino")
        self.runtime = f"openvino {openvino.__version__.split('-')[0]}"
        wanted = provider or "CPU"
        try:
            core = openvino.Core()
            model = core.read_model(os.fspath(path))
        except RuntimeError as error:
            raise ExportError(f"openvino cannot open {path}: {first_line(error)}") from error
        held = model.has_rt_info([KEY])
        self.metadata = from_text(model.get_rt_info([KEY]).astype(str) if held else None, path)
        # results are compared in the precision of the file, not in the one the CPU likes best
        hints = {"INFERENCE_PRECISION_HINT": "f32"}
        try:
            self._model = core.compile_model(model, wanted, hints)
        except RuntimeError as error:
            raise ExportError(
                f"openvino cannot run {path} on {wanted}: {first_line(error)}"
            ) from error
        used = {str(name) for name in self._model.get_property("EXECUTION_DEVICES")}
        self._check_provider(path, wanted, used)

    def run(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """See `ExportedFile.run`."""
        try:
            found = self._model(dict(feeds))
        except RuntimeError as error:
            raise ExportError(f"openvino cannot run the file: {first_line(error)}") from error
        return {name: np.array(found[name]) for name in OUTPUTS}


KINDS: dict[str, type[ExportedFile]] = {
    ".onnx": OnnxFile,
    ".xml": OpenVinoFile,
}


def open_file(
    path: str | os.PathLike,
    provider: str | None = None,
    kinds: Mapping[str, type[ExportedFile]] = KINDS,
) -> ExportedFile:
    """Open an exported file by its suffix; that of a rejected one is the last but one.

    Args:
        path: of the file.
        provider: see `ExportedFile`.
        kinds: by suffix.

    Raises:
        ExportError: see `ExportedFile`; or there is no such file, or it is of no known kind.
    """
    path = Path(path)
    suffixes = [suffix for suffix in path.suffixes if suffix in kinds]
    if not path.is_file():
        raise ExportError(f"{path} does not exist")
    if not suffixes:
        raise ExportError(f"{path} is no exported file: known are {', '.join(kinds)}")
    return kinds[suffixes[-1]](path, provider)


def first_line(error: BaseException) -> str:
    """The first line of an error that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
