"""Eight bits for the parts that can do with them: backbone, neck and encoder."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from aligndetr.runtime.exported.preparing import prepare
from aligndetr.runtime.packages import require

QUANTIZED = ("detector.backbone", "detector.neck", "detector.encoder")
OPERATORS = ("Conv", "MatMul", "Gemm")
# convolutions lose their names where a norm is folded in; past the encoder there are none
FLOAT = r"detector\.(?!backbone|neck|encoder).*"


class Feeds:
    """Calibration images as ONNX Runtime asks for them: one after the other, then None.

    Args:
        images: (h, w, 3) uint8 RGB.
        metadata: of the file.
    """

    def __init__(self, images: Sequence[np.ndarray], metadata: dict[str, Any]) -> None:
        self._feeds = iter(list(calibration_feeds(images, metadata)))

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Inputs by name."""
        return next(self._feeds, None)


def calibration_feeds(
    images: Sequence[np.ndarray], metadata: dict[str, Any]
) -> Iterator[dict[str, np.ndarray]]:
    """Inputs by name of images one by one, or as many at once as a fixed canvas takes."""
    canvas = metadata["canvas"]
    step = canvas["batch"] if canvas else 1
    for start in range(0, len(images), step):
        yield prepare(images[start : start + step], metadata).feeds()


def quantize_onnx(message: Any, metadata: dict[str, Any], images: Sequence[np.ndarray]) -> Any:
    """An ONNX model whose convolutions and linear layers before the decoder compute in int8.

    Args:
        message: the model in float32.
        metadata: of the file that it becomes.
        images: to see the range of activations on.
    """
    require("onnxruntime", "onnx")
    import onnx
    from onnxruntime import quantization as q

    chosen = [node.name for node in message.graph.node if _is_quantized(node)]
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(message, source)
        with _no_remarks():
            q.quantize_static(
                source,
                target,
                Feeds(images, metadata),
                quant_format=q.QuantFormat.QDQ,
                op_types_to_quantize=list(OPERATORS),
                nodes_to_quantize=chosen,
                per_channel=True,
                activation_type=q.QuantType.QUInt8,
                weight_type=q.QuantType.QInt8,
            )
        return onnx.load(target)


def quantize_openvino(model: Any, metadata: dict[str, Any], images: Sequence[np.ndarray]) -> Any:
    """The same for an OpenVINO model, by NNCF."""
    nncf = require("nncf", "openvino")
    feeds = list(calibration_feeds(images, metadata))
    with _no_remarks():
        return nncf.quantize(
            model,
            nncf.Dataset(feeds),
            subset_size=len(feeds),
            model_type=nncf.ModelType.TRANSFORMER,
            ignored_scope=nncf.IgnoredScope(patterns=[FLOAT], validate=False),
        )


@contextmanager
def _no_remarks() -> Generator[None]:
    """Keep the quantisers' advice out of the log, whose handlers they would also change."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        root.handlers[:] = handlers


def _is_quantized(node: Any) -> bool:
    return node.op_type in OPERATORS and node.name.startswith(QUANTIZED)
