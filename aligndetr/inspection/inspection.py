"""Run a model on one image and keep what happened inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aligndetr.criterions import HybridCriterion, SetCriterion
from aligndetr.evaluation.inference import evaluation_mode
from aligndetr.inspection.content import Inspection, LayerView, Pair, Sampling, Thing
from aligndetr.inspection.matching import match
from aligndetr.inspection.recorder import Call, recorded
from aligndetr.layers.boxes import cxcywh_to_xyxy, paired_iou
from aligndetr.layers.deformable_attention import MultiScaleDeformableAttention
from aligndetr.layers.sampling import sampling_points
from aligndetr.modeling.detector import Detector
from aligndetr.modeling.pyramid import Pyramid
from aligndetr.structures import Predictions, Targets

MOST_DETECTIONS = 12


@torch.no_grad()
def inspect_image(
    model: Detector,
    item: Mapping[str, Any],
    image: np.ndarray,
    class_names: Sequence[str] | None = None,
    threshold: float = 0.3,
) -> Inspection:
    """Look into the model while it looks at an image.

    The model is in evaluation mode, so that there are no denoising queries, which matching
    queries do not see anyway. Every layer is matched as the model's criterion would do it.

    Args:
        model: the detector; it is not changed.
        item: what the model takes, with `image`; with `instances` (`gt_boxes`, `gt_classes`) the
            pairs are those of the matcher, without them the detections of the last layer are
            followed back through the layers.
        image: (H, W, 3) uint8 RGB to draw on, of any size.
        class_names: by class index; None writes the index.
        threshold: without ground truth, detections with a lower score are left out.
    """
    modules = _modules(model)
    with evaluation_mode(model), recorded(modules) as calls:
        output = model.detect(model.preprocess([item]))
        predictions, proposals = output.predictions, output.proposals
    criterion, notes = _criterion(model), []
    names = _Names(class_names)
    if "instances" in item and criterion is None:
        notes.append(f"{type(model.criterion).__name__} has no matcher: detections are shown")
    has_truth = "instances" in item and criterion is not None
    if has_truth:
        targets = model.targets([item])
        things = [
            Thing(names(label), box)
            for label, box in zip(
                targets.labels[0].tolist(), _corners(targets.boxes[0]), strict=True
            )
        ]
        layers = _matched_layers(criterion, predictions, proposals, targets)
    else:
        things, layers = _followed_layers(model, predictions, names, threshold)
    _add_references(layers, modules, calls)
    if not any(layer.sampling for layer in layers):
        notes.append("the decoder attends to all tokens: there are no sampling points")
    shapes = calls["pyramid"].result.shapes
    return Inspection(image, things, layers, has_truth, shapes, notes)


class _Names:
    """Class names, as far as they are known."""

    def __init__(self, names: Sequence[str] | None) -> None:
        self.names = names or ()

    def __call__(self, index: int) -> str:
        return self.names[index] if index < len(self.names) else str(index)


def _modules(model: Detector) -> dict[str, nn.Module]:
    """The pyramid, and the decoder's layers with their cross-attention, counted from 1."""
    modules = {"pyramid": model.pyramid}
    for index, layer in enumerate(model.decoder.layers, start=1):
        modules[f"layer {index}"] = layer
        modules[f"attention {index}"] = layer.cross_attention
    return modules


def _criterion(model: Detector) -> SetCriterion | None:
    """What matches the queries that evaluation uses."""
    criterion = model.criterion
    criterion = criterion.one_to_one if isinstance(criterion, HybridCriterion) else criterion
    return criterion if isinstance(criterion, SetCriterion) else None


def _matched_layers(
    criterion: SetCriterion,
    predictions: Predictions,
    proposals: Predictions | None,
    targets: Targets,
) -> list[LayerView]:
    boxes = [*predictions.boxes] if proposals is None else [*proposals.boxes, *predictions.boxes]
    with evaluation_mode(criterion):
        matched = match(criterion, predictions, targets, proposals)
    start = 1 if proposals is None else 0
    return [
        LayerView(index, _corners(box[0]), pairs)
        for index, (box, pairs) in enumerate(zip(boxes, matched, strict=True), start)
    ]


def _followed_layers(
    model: Detector, predictions: Predictions, names: _Names, threshold: float
) -> tuple[list[Thing], list[LayerView]]:
    """The last layer's detections as things, and their queries in every layer."""
    logits, boxes = predictions.logits[:, 0].float(), cxcywh_to_xyxy(predictions.boxes[:, 0])
    if logits.shape[-1] == model.num_classes + 1:  # the last one says "no object"
        probabilities = logits.softmax(-1)[..., :-1]
    else:
        probabilities = logits.sigmoid()
    scores, labels = probabilities[-1].max(-1)
    queries = [q for q in scores.argsort(descending=True).tolist() if scores[q] >= threshold]
    queries = queries[:MOST_DETECTIONS]
    things = [Thing(names(int(labels[q])), boxes[-1, q].double().cpu().numpy()) for q in queries]
    overlap, _ = paired_iou(boxes, boxes[-1])
    layers = []
    for index, layer_boxes in enumerate(boxes):
        pairs = [
            Pair(q, thing, float(probabilities[index, q, labels[q]]), float(overlap[index, q]))
            for thing, q in enumerate(queries)
        ]
        layers.append(LayerView(index + 1, layer_boxes.double().cpu().numpy(), pairs))
    return things, layers


def _add_references(
    layers: list[LayerView], modules: dict[str, nn.Module], calls: dict[str, Call]
) -> None:
    """What decoder layers started from and, if their attention is sparse, where they looked."""
    pyramid: Pyramid = calls["pyramid"].result
    for layer in layers:
        if layer.index == 0:
            continue
        layer.references = _references(calls[f"layer {layer.index}"], pyramid)
        attention = modules[f"attention {layer.index}"]
        if isinstance(attention, MultiScaleDeformableAttention):
            layer.sampling = _sampling(attention, calls[f"attention {layer.index}"], pyramid)


def _corners(boxes: Tensor) -> np.ndarray:
    return cxcywh_to_xyxy(boxes).double().cpu().numpy()


def _references(call: Call, pyramid: Pyramid) -> np.ndarray | None:
    """(Q, 2|4) in the unpadded image; None when they are no more than a formality (DETR)."""
    reference = call["reference"][0, :, 0]
    reference = reference / pyramid.valid_ratios[0, 0].repeat(reference.shape[-1] // 2)
    if len(reference) > 1 and bool((reference == reference[0]).all()):
        return None
    if reference.shape[-1] == 2:
        return reference.double().cpu().numpy()
    return _corners(reference)


def _sampling(attention: MultiScaleDeformableAttention, call: Call, pyramid: Pyramid) -> Sampling:
    sampled = sampling_points(
        attention,
        call["query"],
        call["reference"],
        call["spatial_shapes"],
        call.arguments.get("query_pos"),
    )
    ratios = pyramid.valid_ratios[0][:, None]  # (L, 1, 2)
    points = sampled.locations[0] / ratios
    return Sampling(points.double().cpu().numpy(), sampled.weights[0].double().cpu().numpy())
