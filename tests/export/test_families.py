"""Every family of detectors leaves the house, or says why it cannot."""

import pytest

from aligndetr.errors import ExportError
from aligndetr.export.exporting import export

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

# the others are these with another criterion or another query position
FAMILIES = {
    "two levels and a deformable convolution": (
        "dino_tiny",
        "+model.backbone.deform_stages=[res4]",
    ),
    "content from proposals": ("h_deformable_detr_tiny",),
    "learned anchors": ("dab_deformable_detr_tiny",),
    "conditional attention": ("dab_detr_tiny",),
    "no object": ("detr_tiny",),
    "hybrid encoder": ("rtdetr_tiny", "dataloader.image_size=96"),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_family(family, make_source, fixed_wish, few, tmp_path):
    outcome = export(make_source(*FAMILIES[family]), fixed_wish("onnx"), tmp_path, few)
    figures = {figure.name: figure.value for figure in outcome.judgement.figures}
    assert figures["queries alike"] > 95
    assert figures["median difference of a logit"] < 1e-4
    assert figures["detections matched"] > 95
    operators = {node.op_type for node in onnx.load(outcome.path).graph.node}
    assert "BatchNormalization" not in operators  # its constants are in the convolutions


def test_a_layer_that_cannot_leaves_nothing(make_source, fixed_wish, tmp_path):
    with pytest.raises(ExportError, match="DeformableAttention2D"):
        export(make_source("dino_dat_tiny"), fixed_wish("onnx"), tmp_path / "out", None)
    assert not (tmp_path / "out").exists()
