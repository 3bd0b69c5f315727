"""ONNX files, run by ONNX Runtime."""

import numpy as np
import pytest
import torch

from aligndetr.export import onnx_file
from aligndetr.export.eager import detect_eagerly, result_of
from aligndetr.export.exporting import SUFFIXES, export
from aligndetr.export.onnx_file import PART
from aligndetr.export.runtimes import open_file
from aligndetr.layers.ms_deform_attn import fused_ms_deform_attn, ms_deform_attn
from aligndetr.layers.ms_deform_attn.onnx_translation import OPSET, deform_attn_in_onnx
from aligndetr.layers.ms_deform_attn.selection import keep_operator
from aligndetr.runtime.exported.preparing import prepare

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

SHAPES = [(5, 7), (3, 4), (1, 2)]  # 35 + 12 + 2 tokens


class Attention(torch.nn.Module):
    def forward(self, value, points, scores, reference=None):
        if reference is None:
            return ms_deform_attn(
                value, SHAPES, points, scores.flatten(3).softmax(3).view_as(scores)
            )
        return fused_ms_deform_attn(value, SHAPES, points, scores, reference)


@pytest.mark.parametrize("size", [0, 2, 4])
def test_the_translation_of_the_operator(size, tmp_path):
    torch.manual_seed(0)
    value, points = torch.randn(2, 49, 4, 8), torch.rand(2, 6, 4, 3, 5, 2) * 1.4 - 0.2
    scores = torch.randn(2, 6, 4, 3, 5)
    inputs = (value, points, scores, *([torch.rand(2, 6, 3, size)] if size else []))
    expected = Attention()(*inputs)
    with keep_operator(), onnx_file._silence():
        program = torch.export.export(Attention(), inputs)
        table = {torch.ops.aligndetr.deform_attn.default: deform_attn_in_onnx}
        torch.onnx.export(
            program,
            (),
            tmp_path / "attention.onnx",
            dynamo=True,
            opset_version=OPSET,
            optimize=False,
            custom_translation_table=table,
        )
    session = runtime.InferenceSession(tmp_path / "attention.onnx")
    feeds = {
        known.name: tensor.numpy()
        for known, tensor in zip(session.get_inputs(), inputs, strict=True)
    }
    torch.testing.assert_close(torch.from_numpy(session.run(None, feeds)[0]), expected)


def test_a_free_file_is_verified_at_three_other_sizes(free_file):
    assert free_file.path.name == "model.onnx"
    figures = {figure.name: figure for figure in free_file.judgement.figures}
    shapes = [name for name in figures if name.startswith("queries alike, ")]
    assert [name.split()[2] for name in shapes] == ["1", "3", "4"]
    assert free_file.judgement.passed
    assert free_file.judgement.provider == "CPUExecutionProvider"
    assert figures["largest difference of a logit"].value < 1e-4
    assert figures["detections compared"].value > 50
    assert figures["AP lost"].value == pytest.approx(0, abs=0.01)


def test_inputs_and_outputs_have_names_and_free_sizes(free_file):
    session = runtime.InferenceSession(free_file.path)
    shapes = {tensor.name: tensor.shape for tensor in session.get_inputs()}
    assert shapes == {
        "images": ["batch", 3, "height", "width"],
        "sizes": ["batch", 2],
        "original_sizes": ["batch", 2],
    }
    outputs = {tensor.name: tensor.shape for tensor in session.get_outputs()}
    assert outputs["boxes"] == ["batch", "detections", 4]
    assert outputs["logits"] == ["batch", "queries", 3]


def test_an_image_with_fewer_tokens_than_queries(free_file, source):
    """32 x 40 pixels are 4 * 5 tokens of stride 8 and 2 * 3 of stride 16, for 40 queries."""
    image = np.random.default_rng(1).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    file = open_file(free_file.path)
    found = result_of(file.run(prepare([image], file.metadata).feeds()))
    alone = detect_eagerly(source.model, source.mapper, image)
    assert found.logits.shape == alone.logits.shape == (26, 3)
    np.testing.assert_allclose(found.logits, alone.logits, atol=1e-3)


def test_images_of_a_batch_do_not_share_their_results(free_file, source, photo):
    """Alike in size, so that nothing but the batch could make a difference."""
    file = open_file(free_file.path)
    images = [photo, photo[::-1], photo[:, ::-1]]
    outputs = file.run(prepare(images, file.metadata).feeds())
    for index, image in enumerate(images):
        alone = detect_eagerly(source.model, source.mapper, np.ascontiguousarray(image))
        found = result_of(outputs, index)
        np.testing.assert_allclose(found.rows[:, :5], alone.rows[:, :5], atol=2e-3)


def test_metadata_tells_what_a_runtime_needs(free_file, source):
    metadata = open_file(free_file.path).metadata
    assert metadata["verification"]["status"] == "verified"
    assert metadata["resize"]["rule"] == "none"
    assert metadata["channel_order"] == "RGB"
    assert metadata["pixel_mean"] == pytest.approx([123.675, 116.28, 103.53])
    assert metadata["classes"] is None
    assert metadata["outputs"]["boxes"] == {"dtype": "float32", "shape": ["batch", "detections", 4]}
    model = onnx.load(free_file.path)
    text = model.SerializeToString()
    assert b"/site-packages/" not in text
    assert b"aligndetr/modeling" not in text  # no paths of the machine that wrote it
    parts = {entry.value for node in model.graph.node for entry in node.metadata_props}
    assert any("detector.backbone.res3" in part for part in parts)
    assert {entry.key for node in model.graph.node for entry in node.metadata_props} == {PART}


def test_half_leaves_deformable_attention_in_float32(source, fixed_wish, few, tmp_path):
    """Random proposals are so alike that half precision orders some of them anew."""
    outcome = export(source, fixed_wish("onnx", precision="fp16"), tmp_path, few)
    figures = {figure.name: figure.value for figure in outcome.judgement.figures}
    assert figures["queries alike"] > 50
    assert 1e-4 < figures["median difference of a logit"] < 5e-2
    model = onnx.shape_inference.infer_shapes(onnx.load(outcome.path))
    kinds = {value.name: value.type.tensor_type.elem_type for value in model.graph.value_info}
    kinds |= {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    by_operator = {}
    for node in model.graph.node:
        by_operator.setdefault(node.op_type, []).append([kinds.get(x) for x in node.input if x])
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    assert by_operator["GridSample"]
    assert all(kind == [single, single] for kind in by_operator["GridSample"])
    assert all(kind[0] == single for kind in by_operator["LayerNormalization"])
    assert all(set(kind) == {half} for kind in by_operator["Conv"])
    weights = [t for t in model.graph.initializer if len(t.dims) >= 2 and np.prod(t.dims) > 500]
    share = np.mean([tensor.data_type == half for tensor in weights])
    assert share > 0.9


def test_float_images(source, fixed_wish, few, tmp_path):
    outcome = export(source, fixed_wish("onnx", dtype="float32"), tmp_path, few)
    assert outcome.judgement.passed
    [images, *_] = runtime.InferenceSession(outcome.path).get_inputs()
    assert (images.type, images.shape) == ("tensor(float)", [2, 3, 72, 96])
    assert outcome.path.suffix == SUFFIXES["onnx"]
