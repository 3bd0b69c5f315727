"""Whole models: evaluation and a training step with gradients, one or two images, any sizes."""

from __future__ import annotations

import torch

from aligndetr.structures import ImageBatch, Predictions
from tests.parity.detectors import detector, inputs, losses_of
from tests.parity.golden import Golden, for_each, matching
from tests.parity.weights import canonical, exported_shapes, gradient_norms, published_shapes

MODELS = ("aligndetr_*.npz", "dino_*.npz", "deformable_detr_*.npz")


def check_layers(case: Golden, compare, predictions: Predictions, names: tuple[str, str]) -> None:
    """Compare what is stored of all layers; files of large models keep every n-th query."""
    stride = case.whole.get("eval_query_stride", 1)
    for what, ours in zip(names, (predictions.logits, predictions.boxes), strict=True):
        kind = what.partition("_")[2]
        compare(what, ours[-1, :, ::stride], case[what], atol=1e-9, rtol=1e-9)
        if f"aux_{kind}" in case:
            compare(f"aux_{kind}", ours[:-1], case[f"aux_{kind}"], atol=1e-9, rtol=1e-9)


def check_proposals(case: Golden, compare, proposals: Predictions) -> None:
    stride = case.whole.get("eval_query_stride", 1)
    for kind, ours in (("logits", proposals.logits), ("boxes", proposals.boxes)):
        if f"enc_{kind}" in case:
            compare(f"enc_{kind}", ours[0, :, ::stride], case[f"enc_{kind}"], atol=1e-9, rtol=1e-9)
    for kind, ours in (("class", proposals.logits), ("boxes", proposals.boxes)):
        if f"enc_{kind}_all" in case:  # of all tokens, not only the chosen ones
            compare(f"enc_{kind}_all", ours[0], case[f"enc_{kind}_all"], atol=1e-9, rtol=1e-9)


def check_instances(case: Golden, compare, results: list[dict], with_boxes: bool = True) -> None:
    for index, result in enumerate(results):
        instances = result["instances"]
        if with_boxes:
            boxes = instances.pred_boxes.tensor
            compare("detections: boxes (pixels)", boxes, case[f"inst{index}_boxes"], atol=1e-3)
        compare("detections: scores", instances.scores, case[f"inst{index}_scores"], atol=1e-9)
        classes = instances.pred_classes.tolist()
        compare.equal("detections: classes", classes, case.ints(f"inst{index}_classes"))


@for_each(*MODELS, cases=matching(r"()state_keys"))
def test_key_list(case, compare):
    ours, published = exported_shapes(detector(case)), published_shapes(case, detector(case))
    compare.equal("names and shapes of weights", ours, published)


@for_each(*MODELS, cases=matching(r"(e\d+_)spec"))
@torch.no_grad()
def test_evaluation(case, compare):
    model = detector(case.whole).eval()
    images = inputs(case, training=False)
    output = model.detect(model.preprocess(images))
    predictions, proposals = output.predictions, output.proposals
    check_layers(case, compare, predictions, ("pred_logits", "pred_boxes"))
    if proposals is not None:
        check_proposals(case, compare, proposals)
    check_instances(case, compare, model(images))


@for_each(*MODELS, cases=matching(r"(e\d+_)rescaled_hw"))
@torch.no_grad()
def test_detections_refer_to_the_size_that_was_asked_for(case, compare):
    model = detector(case.whole).eval()
    images = inputs(case, training=False)
    images[0]["height"], images[0]["width"] = case.ints("rescaled_hw")
    boxes = model(images)[0]["instances"].pred_boxes.tensor
    compare("detections, rescaled: boxes (pixels)", boxes, case["rescaled_boxes"], atol=1e-3)


@for_each(*MODELS, cases=matching(r"(ediff_)spec"))
@torch.no_grad()
def test_evaluation_of_different_sizes_where_the_padding_is_taken_for_image(case, compare):
    """Published: padding is not masked. Images that bring the padding along show the same."""
    model = detector(case.whole).eval()
    images = inputs(case, training=False)
    padded = [{"image": image} for image in padded_with_the_mean(images, model.pixel_mean)]
    output = model.detect(model.preprocess(padded))
    predictions, proposals = output.predictions, output.proposals
    check_layers(case, compare, predictions, ("pred_logits", "pred_boxes"))
    check_proposals(case, compare, proposals)
    check_instances(case, compare, model(padded), with_boxes=False)  # published: unpadded pixels


def padded_with_the_mean(images: list[dict], mean: torch.Tensor) -> torch.Tensor:
    batch = ImageBatch.from_images([item["image"].to(mean) - mean for item in images])
    return batch.pixels + mean


@for_each(*MODELS, cases=matching(r"(ediff_)spec"))
@torch.no_grad()
def test_padding_is_masked_in_evaluation(case, compare):
    """Fixed: what is written into the padding changes nothing; published, it does."""
    model = detector(case.whole).eval()
    batch = model.preprocess(inputs(case, training=False))
    assert batch.padding.any()
    ours = model.detect(batch).predictions
    unmasked = (ours.logits[-1] - case["pred_logits"]).abs().max()
    assert unmasked > 1e-3, "the file is meant to hold images whose padding matters"
    levels = model.neck(model.backbone(batch.pixels))
    pyramid = model.pyramid(levels, batch.padding, is_padded=True)
    noise = pyramid.padding.unsqueeze(-1).to(pyramid.tokens) * 3
    memory = model.encoder(pyramid)
    pyramid.tokens = pyramid.tokens + noise
    inside = ~pyramid.padding
    difference = (model.encoder(pyramid) - memory)[inside].abs().max()
    assert difference == 0, "padded tokens must not reach the others"


@for_each(*MODELS, cases=matching(r"(t[a-z\d]*_)spec"))
def test_training_step(case, compare):
    model = detector(case.whole).train()
    model.zero_grad()
    batch = inputs(case, training=True)
    ours = model(batch)
    sum(ours.values()).backward()

    expected = losses_of(case)
    compare.equal("names of losses", sorted(ours), sorted(expected))
    values = torch.stack([ours[name] for name in expected])
    compare("losses", values, list(expected.values()), atol=1e-9, rtol=1e-9)
    compare("total loss", values.sum(), case["total"], atol=1e-9, rtol=1e-9)
    norms = gradient_norms(model)
    published = {canonical(name, case.whole): i for i, name in enumerate(case["grad_names"])}
    compare.equal("trained parameters", sorted(norms), sorted(published))
    index = torch.tensor([published[name] for name in norms])
    gradients = torch.stack(list(norms.values()))
    compare("gradient norms", gradients, case["grad_norms"][index], atol=1e-8, rtol=1e-8)


@for_each(*MODELS, cases=matching(r"(t[a-z\d]*_)dn_logits"))
@torch.no_grad()
def test_predictions_while_training(case, compare):
    model = detector(case.whole).train()
    batch = inputs(case, training=True)
    output = model.detect(model.preprocess(batch), model.targets(batch))
    matching_, denoised = output.predictions, output.denoised
    for name, ours in (
        ("pred_logits", matching_.logits),
        ("pred_boxes", matching_.boxes),
        ("dn_logits", denoised.predictions.logits),
        ("dn_boxes", denoised.predictions.boxes),
    ):
        compare(f"{name} while training", ours, case[name], atol=1e-9, rtol=1e-9)
