"""What is kept of a model at work."""

import numpy as np
import pytest
import torch

from aligndetr.explanation import Recorder, inspect_image
from aligndetr.layers.boxes import cxcywh_to_xyxy
from aligndetr.layers.ms_deform_attn.reference import sample_reference
from aligndetr.structures import Boxes, ImageBatch, Instances

NAMES = ["disk", "square", "star"]


@pytest.fixture
def inspection(model, item, image):
    return inspect_image(model, item, image, NAMES)


def test_things_are_the_ground_truth(inspection):
    assert inspection.has_truth
    assert [thing.name for thing in inspection.things] == ["disk", "star"]
    # 8, 12, 40, 60 of 128 x 96
    np.testing.assert_allclose(inspection.things[0].box, [0.0625, 0.125, 0.3125, 0.625], atol=1e-6)


def test_every_layer_shows_what_the_model_predicts(inspection, model, item):
    model.eval()
    with torch.no_grad():
        output = model.detect(model.preprocess([item]))
        predictions, proposals = output.predictions, output.proposals
    assert [layer.name for layer in inspection.layers] == [
        "proposals", "layer 1", "layer 2", "layer 3",
    ]  # fmt: skip
    for layer, boxes in zip(
        inspection.layers, [proposals.boxes[0], *predictions.boxes], strict=True
    ):
        np.testing.assert_allclose(layer.boxes, cxcywh_to_xyxy(boxes[0]).numpy(), atol=1e-6)


def test_references_are_where_a_layer_starts(inspection):
    proposals, first = inspection.layers[:2]
    assert proposals.references is None
    np.testing.assert_allclose(first.references, proposals.boxes, atol=2e-3)  # logits, 1e-3 clamp
    assert not np.allclose(inspection.layers[2].references, first.references, atol=1e-2)


def test_several_queries_an_object_until_the_last_layer(inspection):
    counts = [[pair.rank for pair in layer.pairs] for layer in inspection.layers]
    assert counts == [[0, 1, 0, 1]] * 3 + [[0, 0]]
    assert [layer.most_queries for layer in inspection.layers] == [2, 2, 2, 1]
    assert inspection.favourite() == next(p for p in inspection.layers[-1].pairs if p.thing).query


def test_a_crowded_image_says_why_its_objects_have_fewer_queries(model, item, image):
    # 40 queries, 11 objects: floor(40 / (2 * 11)) = 1 instead of 2; 2 * 2 * 11 = 44 would do
    boxes = Boxes(item["instances"].gt_boxes.tensor[:1].repeat(11, 1))
    classes = torch.zeros(11, dtype=torch.int64)
    crowd = Instances((96, 128), gt_boxes=boxes, gt_classes=classes)
    inspection = inspect_image(model, {**item, "instances": crowd}, image)
    assert [layer.most_queries for layer in inspection.layers] == [1, 1, 1, 1]
    [note] = inspection.notes
    assert note.startswith("k = 2 is lowered to 1: 2 copies of 11 objects are more than half of")
    assert "model.num_queries=44 " in note
    assert inspect_image(model, item, image).notes == []


def check_sampling(inspection, model, item, ratios):
    """Applied with the slow operator, points and weights are what cross-attention computed."""
    recorder = Recorder(model.eval(), keep=["*.cross_attention"])
    with torch.no_grad(), recorder.recording():
        model([item])
    for layer in inspection.sampled:
        path = f"decoder.layers.{layer.index - 1}.cross_attention"
        attention, call = model.get_submodule(path), recorder.root.find(path)
        with torch.no_grad():
            tokens = attention.value_proj(call.argument("value"))
            if call.argument("padding") is not None:
                tokens = tokens.masked_fill(call.argument("padding")[..., None], 0)
            tokens = tokens.unflatten(-1, (attention.num_heads, -1))
            points = torch.from_numpy(layer.sampling.points * ratios)[None].float()
            weights = torch.from_numpy(layer.sampling.weights)[None].float()
            out = sample_reference(tokens, call.argument("spatial_shapes"), points, weights)
            out = attention.output_proj(out)
        torch.testing.assert_close(out, call.result, rtol=1e-3, atol=1e-4)
    assert [layer.index for layer in inspection.sampled] == [1, 2, 3]


def test_sampling_points_give_the_output_of_the_layer(inspection, model, item):
    check_sampling(inspection, model, item, ratios=(1.0, 1.0))


def test_points_refer_to_the_image_not_to_the_padded_batch(model, item, image, monkeypatch):
    original = ImageBatch.from_images

    def padded(images):
        """As if the other image of the batch were 192 x 160."""
        both = original([*images, torch.zeros(3, 160, 192)])
        return ImageBatch(both.pixels[:1], both.padding[:1], both.sizes[:1])

    monkeypatch.setattr(ImageBatch, "from_images", padded)
    inspection = inspect_image(model, item, image)
    assert inspection.shapes == [(20, 24), (10, 12), (5, 6)]
    # 128 of 192 columns and 96 of 160 rows are the image, in every level
    check_sampling(inspection, model, item, ratios=(128 / 192, 96 / 160))
    proposals, first = inspection.layers[:2]
    np.testing.assert_allclose(first.references, proposals.boxes, atol=2e-3)


def test_the_model_is_left_as_it_was(model, item, image):
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    inspect_image(model, item, image)
    assert all(module.training for module in model.modules())
    assert not any("forward" in vars(module) for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_model_is_left_as_it_was_when_it_fails(model):
    with pytest.raises(RuntimeError), Recorder(model).recording():
        raise RuntimeError
    assert "forward" not in vars(model.encoder)


def test_without_ground_truth_detections_are_followed(model, without_truth, image):
    inspection = inspect_image(model, without_truth, image, NAMES, threshold=0.0)
    assert not inspection.has_truth
    assert 0 < len(inspection.things) <= 12
    followed = [[pair.query for pair in layer.pairs] for layer in inspection.layers]
    assert followed[0] == followed[1] == followed[2]
    last = inspection.layers[-1]
    # the published 1e-6 in the denominator counts for small boxes
    assert [pair.iou for pair in last.pairs] == pytest.approx([1.0] * len(last.pairs), abs=0.02)
    scores = [pair.score for pair in last.pairs]
    assert scores == sorted(scores, reverse=True)
    assert all(pair.weight is None for pair in last.pairs)
    with torch.no_grad():
        found = model.eval()([without_truth])[0]["instances"]
    assert scores[0] == pytest.approx(float(found.scores[0]), abs=1e-5)
    nothing = inspect_image(model, without_truth, image, threshold=1.0)
    assert nothing.things == []
    assert nothing.favourite() is None


def test_dense_attention_has_no_sampling_points(tiny_model, item, image):
    inspection = inspect_image(tiny_model("detr_tiny"), item, image, NAMES)
    assert inspection.sampled == []
    assert inspection.notes == ["the decoder attends to all tokens: there are no sampling points"]
    assert all(layer.references is None for layer in inspection.layers)  # DETR has no anchors
    assert [len(layer.pairs) for layer in inspection.layers] == [2, 2, 2]


@pytest.mark.parametrize(
    "name, has_proposals",
    [("dab_detr_tiny", False), ("h_deformable_detr_tiny", True), ("rtdetr_tiny", True)],
)
def test_others_of_the_family(name, has_proposals, tiny_model, item, image):
    inspection = inspect_image(tiny_model(name), item, image, NAMES)
    assert (inspection.layers[0].index == 0) == has_proposals
    assert all(len(layer.pairs) == 2 for layer in inspection.layers)
    assert all(layer.references is not None for layer in inspection.layers if layer.index)


def test_a_criterion_without_matcher_is_named(tiny_model, item, image):
    model = tiny_model("aligndetr_tiny")
    model.criterion = torch.nn.Identity()
    inspection = inspect_image(model, item, image, NAMES)
    assert inspection.notes == ["Identity has no matcher: detections are shown"]
    assert not inspection.has_truth
