"""The report names the part in which a difference starts."""

import numpy as np
import pytest

from aligndetr.export.diagnosis import first_difference
from aligndetr.export.runtimes import open_file
from aligndetr.runtime.exported.preparing import prepare

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.mark.parametrize(
    "weight, part",
    [
        ("backbone.res3.0.conv1.weight", r"model.backbone.res3.0 (BasicBlock)"),
        ("query_source.memory_norm.weight", r"model.query_source.memory_norm (LayerNorm)"),
        ("encoder.layers.0.norm1.weight", r"model.encoder.layers.0 (EncoderLayer)"),
        ("decoder.layers.1.norm3.weight", r"model.decoder.layers.1 (DecoderLayer)"),
    ],
)
def test_the_first_part_that_differs(weight, part, free_file, source, photo, tmp_path):
    file = open_file(free_file.path)
    prepared = prepare([photo], file.metadata)
    assert first_difference(free_file.path, source.model, prepared, 1e-3) is None
    model = onnx.load(free_file.path)
    [tensor] = [t for t in model.graph.initializer if t.name.endswith(weight)]
    values = onnx.numpy_helper.to_array(tensor) + np.float32(0.5)
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    onnx.save(model, tmp_path / "edited.onnx")
    found = first_difference(tmp_path / "edited.onnx", source.model, prepared, 1e-3)
    assert found.startswith(part.rpartition(" ")[0])
