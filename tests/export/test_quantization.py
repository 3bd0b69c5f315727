"""Eight bits before the decoder, and AP as the judge."""

import pytest
from PIL import Image

from aligndetr.errors import ExportError
from aligndetr.export.exporting import Proof, export, verify
from aligndetr.export.onnx_file import PART

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture
def outcome(source, fixed_wish, tmp_path, converted_once):
    wish = fixed_wish("onnx", precision="int8", calibration=4)
    return export(source, wish, tmp_path, Proof(count=4, max_ap_drop=100.0))


def test_decoder_and_heads_stay_in_float(outcome, source):
    model = onnx.load(outcome.path)
    made = {name: node for node in model.graph.node for name in node.output}
    quantized = set()
    for node in model.graph.node:
        from_int = [made[x].op_type == "DequantizeLinear" for x in node.input if x in made]
        if node.op_type in ("Conv", "MatMul", "Gemm") and any(from_int):
            quantized.add(node.name)
    parts = {name.split(".")[1] for name in quantized}
    assert {"backbone", "neck", "encoder"} == parts
    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    assert convolutions
    assert set(convolutions) <= quantized
    sampling = [node for node in model.graph.node if node.op_type == "GridSample"]
    assert len(sampling) == 6  # two levels, in one encoder and two decoder layers
    scopes = {e.value for node in sampling for e in node.metadata_props if e.key == PART}
    assert any("decoder" in scope for scope in scopes)


def test_ap_decides_and_must_be_known(outcome, source, photo, tmp_path):
    figures = {figure.name: figure for figure in outcome.judgement.figures}
    assert figures["AP lost"].most == 100.0
    assert {name for name, figure in figures.items() if figure.least or figure.most} == {"AP lost"}
    harsh = verify(source, outcome.path, Proof(count=4, max_ap_drop=-200.0))
    assert not harsh.passed
    Image.fromarray(photo).save(tmp_path / "a.png")
    with pytest.raises(ExportError, match="int8 is judged by AP: leave out --images"):
        verify(source, outcome.path, Proof([str(tmp_path / "a.png")]))


def test_there_is_no_int8_program(source, fixed_wish, tmp_path):
    with pytest.raises(ExportError, match="torch_export has no int8; choose onnx or openvino"):
        export(source, fixed_wish("torch_export", precision="int8"), tmp_path, None)


def test_openvino(source, fixed_wish, tmp_path, converted_once):
    pytest.importorskip("nncf")
    openvino = pytest.importorskip("openvino")
    wish = fixed_wish("openvino", precision="int8", calibration=4)
    outcome = export(source, wish, tmp_path, Proof(count=4, max_ap_drop=100.0))
    model = openvino.Core().read_model(outcome.path)
    operators = model.get_ordered_ops()
    rounded = [op.get_friendly_name() for op in operators if op.get_type_name() == "FakeQuantize"]
    assert not [name for name in rounded if "decoder" in name or "query_source" in name]
    constants = [op for op in operators if op.get_type_name() == "Constant"]
    weights = [op for op in constants if op.get_element_type().get_type_name() == "i8"]
    # stem 1, res2 4, res3 and res4 5 each, neck 2, and 6 linear layers of the encoder
    assert len(weights) == 1 + 4 + 5 + 5 + 2 + 6
