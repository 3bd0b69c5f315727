"""Run a model on one image and keep what its queries did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aligndetr.criterions import Comparison
from aligndetr.evaluation.inference import evaluation_mode
from aligndetr.explanation.recorded_steps import Step
from aligndetr.explanation.recorder import Recorder
from aligndetr.layers.boxes import cxcywh_to_xyxy, paired_iou
from aligndetr.matchers import lost_copies
from aligndetr.modeling.detector import Detector
from aligndetr.modeling.pyramid import Pyramid
from aligndetr.structures import Predictions

MOST_DETECTIONS = 12


@dataclass
class Thing:
    """What queries answer for: an object of the ground truth, or a detection where there is none.

    Attributes:
        name: of its class.
        box: (4,) xyxy normalised to the image.
    """

    name: str
    box: np.ndarray


@dataclass
class Pair:
    """A query that answers for a thing.

    Attributes:
        query: its index among the layer's queries (among all tokens for proposals of all tokens).
        thing: index of the thing.
        score: probability of the thing's class.
        iou: overlap of the query's box with the thing.
        rank: place among the queries of the thing, 0 for the best.
        weight: of the pair's box losses; None without ground truth.
        goal: what the classification loss wants the score to be; None without ground truth.
    """

    query: int
    thing: int
    score: float
    iou: float
    rank: int = 0
    weight: float | None = None
    goal: float | None = None


@dataclass
class Sampling:
    """Where the queries of a layer look.

    Attributes:
        points: (Q, H, L, P, 2) x, y normalised to the image.
        weights: (Q, H, L, P), of a query and a head summing to 1.
    """

    points: np.ndarray
    weights: np.ndarray


@dataclass
class LayerView:
    """One layer, or the encoder's proposals.

    Attributes:
        index: 0 for the proposals, 1 for the first decoder layer, as in `match_num`.
        boxes: (Q, 4) predicted, xyxy normalised to the image.
        pairs: sorted by thing, then by rank.
        references: (Q, 2|4) points or xyxy boxes that the layer started from, normalised to the
            image; None where there are none or all are equal.
        sampling: None where the layer looks at all tokens.
    """

    index: int
    boxes: np.ndarray
    pairs: list[Pair]
    references: np.ndarray | None = None
    sampling: Sampling | None = None

    @property
    def name(self) -> str:
        """For titles."""
        return f"layer {self.index}" if self.index else "proposals"

    @property
    def samples(self) -> Sampling:
        """`sampling` of a layer that has some.

        Raises:
            ValueError: it has none.
        """
        if self.sampling is None:
            raise ValueError(f"{self.name} looks at all tokens")
        return self.sampling

    @property
    def most_queries(self) -> int:
        """Queries of the thing that has most: k, or less in a crowded image."""
        return max((pair.rank for pair in self.pairs), default=0) + 1

    @property
    def mean_iou(self) -> float:
        """Of the pairs; 0 if there are none."""
        return sum(pair.iou for pair in self.pairs) / max(len(self.pairs), 1)

    def pair_of(self, query: int) -> Pair | None:
        """The pair that a query belongs to."""
        return next((pair for pair in self.pairs if pair.query == query), None)


@dataclass
class Inspection:
    """One image in one model.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        things: ground truth, or detections of the last layer.
        layers: in the order of computation.
        has_truth: whether `things` are ground truth and pairs are the matcher's.
        shapes: L times (height, width) of the memory's levels.
        notes: sentences on what is not shown, and why.
    """

    image: np.ndarray
    things: list[Thing]
    layers: list[LayerView]
    has_truth: bool
    shapes: list[tuple[int, int]]
    notes: list[str] = field(default_factory=list)

    @property
    def sampled(self) -> list[LayerView]:
        """Layers with sampling points."""
        return [layer for layer in self.layers if layer.sampling is not None]

    def favourite(self) -> int | None:
        """The query that shows most: the best one of the largest thing, in the last layer."""
        best = [pair for pair in self.layers[-1].pairs if pair.rank == 0]
        boxes = {pair.query: self.things[pair.thing].box for pair in best}
        areas = {query: (b[2] - b[0]) * (b[3] - b[1]) for query, b in boxes.items()}
        return max(areas, key=areas.__getitem__, default=None)


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
    queries do not see anyway. Every layer is compared with the objects as the model's criterion
    would do it.

    Args:
        model: the detector; it is not changed.
        item: what the model takes, with `image`; with `instances` (`gt_boxes`, `gt_classes`) the
            pairs are those of the matcher, without them the detections of the last layer are
            followed back through the layers.
        image: (H, W, 3) uint8 RGB to draw on, of any size.
        class_names: by class index; None writes the index.
        threshold: without ground truth, detections with a lower score are left out.
    """
    notes, names = [], dict(enumerate(class_names or ()))
    with evaluation_mode(model):
        steps = _record(model, item)
        predictions: Predictions = steps.find("decoder").result
        criterion: Any = model.criterion
        has_truth = "instances" in item and hasattr(criterion, "comparisons")
        if has_truth:
            targets, proposals = (
                model.targets([dict(item)]),
                steps.find("query_source").result.proposals,
            )
            things = _things(targets.labels[0], targets.boxes[0], names)
            compared = criterion.comparisons(predictions, targets, proposals)
            layers = matched_layers(compared, first=1 if proposals is None else 0)
        else:
            things, layers = _followed_layers(model, predictions, names, threshold)
    if "instances" in item and not has_truth:
        notes.append(f"{type(model.criterion).__name__} has no matcher: detections are shown")
    notes += _lowered(model, len(things)) if has_truth else []
    _add_references(layers, model, steps)
    if not any(layer.sampling for layer in layers):
        notes.append("the decoder attends to all tokens: there are no sampling points")
    return Inspection(image, things, layers, has_truth, steps.find("pyramid").result.shapes, notes)


def _lowered(model: Detector, num_objects: int) -> list[str]:
    """Why objects of a crowded image have fewer queries than the config wants."""
    match_num = getattr(model.criterion, "match_num", None)
    lost = lost_copies([num_objects], match_num, model.num_queries)
    if lost is None:
        return []
    return [
        f"k = {lost.k} is lowered to {min(lost.copies)}: {lost.k} copies of {num_objects} objects "
        f"are more than half of the {lost.num_queries} queries; model.num_queries={lost.enough} "
        "would keep it"
    ]


def _record(model: Detector, item: Mapping[str, Any]) -> Step:
    """What the parts gave, and what the decoder's layers and their attention were called with."""
    decoder: Any = model.decoder
    layers = [f"decoder.layers.{index}" for index in range(len(decoder.layers))]
    attentions = [f"{layer}.cross_attention" for layer in layers]
    recorder = Recorder(model, ["pyramid", "query_source", "decoder", *layers, *attentions])
    with recorder.recording():
        model([item])
    return recorder.root


def _things(labels: Tensor, boxes: Tensor, names: Mapping[int, str]) -> list[Thing]:
    """Of (N,) labels and (N, 4) cxcywh boxes."""
    pairs = zip(labels.tolist(), _corners(boxes), strict=True)
    return [Thing(names.get(label, str(label)), box) for label, box in pairs]


def matched_layers(comparisons: Sequence[Comparison], first: int) -> list[LayerView]:
    """Layers with the pairs that a criterion makes its losses from, for one image.

    Args:
        comparisons: see `SetCriterion.comparisons`.
        first: index of the first layer, 0 if that is the proposals.
    """
    views = []
    for compared in comparisons:
        found, boxes = compared.assignment, _corners(compared.predictions.boxes[:, 0])
        layers = [LayerView(first + len(views) + i, b, []) for i, b in enumerate(boxes)]
        # Weights fall with the rank and multiply the goals, which are thus in the order of ranks.
        ranks = found.ranks(compared.goal)
        columns = (compared.score, compared.iou, ranks, compared.weight, compared.goal)
        columns = (found.layer, found.query, found.target, *columns)
        for layer, *values in zip(*(column.tolist() for column in columns), strict=True):
            layers[layer].pairs.append(Pair(*values))
        views += layers
    for view in views:
        view.pairs.sort(key=lambda pair: (pair.thing, pair.rank))
    return views


def _followed_layers(
    model: Detector, predictions: Predictions, names: Mapping[int, str], threshold: float
) -> tuple[list[Thing], list[LayerView]]:
    """The last layer's detections as things, and their queries in every layer."""
    logits, boxes = predictions.logits[:, 0].float(), predictions.boxes[:, 0]
    if logits.shape[-1] == model.num_classes + 1:  # the last one says "no object"
        probabilities = logits.softmax(-1)[..., :-1]
    else:
        probabilities = logits.sigmoid()
    scores, labels = probabilities[-1].max(-1)
    best = scores.argsort(descending=True)[:MOST_DETECTIONS]
    queries = best[scores[best] >= threshold]
    things = _things(labels[queries], boxes[-1, queries], names)
    corners = cxcywh_to_xyxy(boxes)
    overlap, _ = paired_iou(corners, corners[-1])
    layers = []
    for index, layer_boxes in enumerate(_corners(boxes)):
        own = probabilities[index, queries, labels[queries]].tolist()
        rows = zip(queries.tolist(), count(), own, overlap[index, queries].tolist(), strict=False)
        layers.append(LayerView(index + 1, layer_boxes, [Pair(*row) for row in rows]))
    return things, layers


def _add_references(layers: list[LayerView], model: Detector, steps: Step) -> None:
    """What decoder layers started from and, if their attention is sparse, where they looked."""
    pyramid: Pyramid = steps.find("pyramid").result
    for layer in layers:
        if layer.index == 0:
            continue
        path = f"decoder.layers.{layer.index - 1}"
        layer.references = _references(steps.find(path).argument("reference"), pyramid)
        attention: Any = model.get_submodule(f"{path}.cross_attention")
        if hasattr(attention, "sampling_points"):
            call = steps.find(f"{path}.cross_attention").kept
            taken = (call.get(n) for n in ("query", "reference", "spatial_shapes", "query_pos"))
            locations, weights = attention.sampling_points(*taken)
            points = locations[0] / pyramid.valid_ratios[0][:, None]  # (L, 1, 2)
            layer.sampling = Sampling(_numbers(points), _numbers(weights[0]))


def _references(reference: Tensor, pyramid: Pyramid) -> np.ndarray | None:
    """(1, Q, L, 2|4) of the padded levels as (Q, 2|4); None if they are but a formality (DETR)."""
    reference = reference[0, :, 0]
    reference = reference / pyramid.valid_ratios[0, 0].repeat(reference.shape[-1] // 2)
    if len(reference) > 1 and bool((reference == reference[0]).all()):
        return None
    return _numbers(reference) if reference.shape[-1] == 2 else _corners(reference)


def _corners(boxes: Tensor) -> np.ndarray:
    return _numbers(cxcywh_to_xyxy(boxes))


def _numbers(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
