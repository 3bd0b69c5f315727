"""The graph that is exported, before it is exported."""

import pytest
import torch

from aligndetr.errors import ExportError
from aligndetr.export.exporting import Source
from aligndetr.export.graph import DetectionGraph, GraphOutput
from aligndetr.export.program import Canvas, trace


def batch():
    """Two images of 60 x 80 and 48 x 70 on one canvas, whose padding holds noise."""
    torch.manual_seed(0)
    canvas = torch.randint(0, 256, (2, 3, 60, 80), dtype=torch.uint8)
    sizes, originals = torch.tensor([[60, 80], [48, 70]]), torch.tensor([[120, 100], [24, 35]])
    items = [
        {"image": image[:, :h, :w], "height": height, "width": width}
        for image, (h, w), (height, width) in zip(
            canvas, sizes.tolist(), originals.tolist(), strict=True
        )
    ]
    return (canvas, sizes, originals), items


@pytest.mark.parametrize("name", ["aligndetr_tiny", "detr_tiny", "rtdetr_tiny"])
def test_it_is_what_the_detector_does(make_source, name):
    model = make_source(name).model
    inputs, items = batch()
    with torch.no_grad():
        out, expected = GraphOutput(*DetectionGraph(model)(*inputs)), model(items)
    for boxes, scores, classes, result in zip(
        out.boxes, out.scores, out.classes, expected, strict=True
    ):
        instances = result["instances"]
        has_area = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(1)
        torch.testing.assert_close(boxes[has_area], instances.pred_boxes.tensor)
        torch.testing.assert_close(scores[has_area], instances.scores)
        assert torch.equal(classes[has_area], instances.pred_classes)


def test_padding_may_hold_anything(source):
    (canvas, sizes, originals), _ = batch()
    other = canvas.clone()
    other[1, :, 48:] = 255
    other[1, :, :, 70:] = 7
    graph = DetectionGraph(source.model)
    with torch.no_grad():
        a, b = (graph(pixels, sizes, originals) for pixels in (canvas, other))
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_part_that_cannot_be_exported_is_named(small_config):
    model = Source(small_config("dino_dat_tiny"), None).model
    with pytest.raises(ExportError, match=r"layers\.0\.self_attention.*DeformableAttention2D"):
        DetectionGraph(model)


def test_a_postprocessing_of_ones_own_is_named(make_source):
    model = make_source().model
    model.postprocess = lambda logits, boxes, sizes: []
    with pytest.raises(ExportError, match=r"postprocess \(function\)"):
        DetectionGraph(model)


class Refusing(torch.nn.Module):
    def forward(self, pyramid):
        return pyramid.tokens * (1 if pyramid.tokens.sum() > 0 else 2)


def test_the_part_that_was_running_is_named(make_source):
    model = make_source().model
    model.encoder = Refusing()
    with pytest.raises(ExportError, match=r"model\.encoder \(Refusing\) cannot be exported"):
        trace(DetectionGraph(model), Canvas(64, 80, fixed=True))
