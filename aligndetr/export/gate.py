"""The gate: an exported file, run on real images, against the detector in float32."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from aligndetr.errors import DataError, ExportError
from aligndetr.evaluation.coco import COCOEvaluator
from aligndetr.export.agreement import Alike, Tolerance, alike, matched
from aligndetr.export.eager import Result, detect_eagerly, result_of
from aligndetr.export.judged_images import JudgedImages
from aligndetr.runtime.exported.opened import ExportedFile
from aligndetr.runtime.exported.preparing import Prepared, prepare

SMALLEST = 64  # pixels; of a side
SHAPES = ((1, 0.6, 0.8), (3, 1.0, 0.7), (4, 1.2, 0.9))  # batch, and shares of the traced canvas


@dataclass(frozen=True)
class Figure:
    """One thing that was measured.

    Attributes:
        name: in words.
        value: what it is.
        least, most: between which it must be; None: anything.
        unit: behind the value.
    """

    name: str
    value: float
    least: float | None = None
    most: float | None = None
    unit: str = ""

    @property
    def passed(self) -> bool:
        """Whether it is where it must be; NaN never is."""
        above = self.least is None or self.value >= self.least
        return above and (self.most is None or self.value <= self.most)


@dataclass(frozen=True)
class Judgement:
    """What the gate found.

    Attributes:
        figures: all that was measured.
        images: the source of the images.
        runtime, provider: what ran the file.
        start: the first part of the model that differs, where that was looked for.
    """

    figures: Sequence[Figure]
    images: str
    runtime: str
    provider: str
    start: str | None = None

    @property
    def passed(self) -> bool:
        """Whether all figures are where they must be."""
        return all(figure.passed for figure in self.figures)

    def plain(self) -> dict[str, Any]:
        """As the metadata of a file holds it under `verification`."""
        return {
            "status": "verified" if self.passed else "rejected",
            "source": self.images,
            "runtime": self.runtime,
            "provider": self.provider,
            "figures": {
                figure.name: figure.value if math.isfinite(figure.value) else None
                for figure in self.figures
            },
        }


def judge(
    file: ExportedFile, model: nn.Module, mapper: Any, images: JudgedImages, tolerance: Tolerance
) -> Judgement:
    """Run a file on images and compare.

    Args:
        file: opened.
        model: the detector it was made of.
        mapper: of the detector's evaluation.
        images: at least one.
        tolerance: how much may differ.

    Raises:
        ExportError: the file cannot be run; or AP must be judged, and the images have no objects.
    """
    pairs: list[Alike] = []
    hits = np.zeros(2, dtype=np.int64)
    expected, on_canvas, found = [], [], []
    for image in images:
        prepared = prepare([image], file.metadata)
        result = result_of(file.run(prepared.feeds()))
        eager = detect_eagerly(model, mapper, image)
        same = _on_same_canvas(model, prepared) if file.metadata["canvas"] else eager
        pairs.append(alike(same, result, tolerance))
        hits += matched(same.rows, result.rows, tolerance)
        expected.append(eager)
        on_canvas.append(same)
        found.append(result)
    figures = [*_query_figures(pairs, tolerance), *_match_figures(hits, tolerance)]
    if file.metadata["canvas"] is None:
        figures += _other_shapes(file, model, next(iter(images)), tolerance)
    figures += _precision_figures(images, expected, found, tolerance)
    if file.metadata["canvas"] and any(figure.name == "AP lost" for figure in figures):
        figures.append(Figure("AP in PyTorch on this canvas", _precision(images, on_canvas)))
    return Judgement(figures, images.source, file.runtime, file.provider)


def _query_figures(pairs: Sequence[Alike], tolerance: Tolerance) -> list[Figure]:
    share = 100 * float(np.concatenate([pair.queries for pair in pairs]).mean())
    return [
        Figure("queries alike", share, least=tolerance.queries, unit="%"),
        Figure("largest difference of a logit", max(pair.logit for pair in pairs)),
        Figure("median difference of a logit", float(np.median([p.median for p in pairs]))),
        Figure("largest difference of a box", max(pair.box for pair in pairs)),
    ]


def _match_figures(hits: np.ndarray, tolerance: Tolerance) -> list[Figure]:
    count, total = hits.tolist()
    share = 100.0 * count / total if total else 100.0
    return [
        Figure("detections compared", total),
        Figure("detections matched", share, least=tolerance.matched, unit="%"),
    ]


def _precision_figures(
    images: JudgedImages,
    expected: Sequence[Result],
    found: Sequence[Result],
    tolerance: Tolerance,
) -> list[Figure]:
    if images.dataset is None:
        if tolerance.needs_precision:
            raise ExportError(
                "int8 is judged by AP: leave out --images, and let the config name a test set with "
                "the classes of the model"
            )
        return []
    try:
        before, after = (_precision(images, results) for results in (expected, found))
    except DataError:
        if tolerance.needs_precision:
            raise
        return []  # data that is annotated in parts has no AP
    if math.isnan(before) and not tolerance.needs_precision:
        return []  # no objects in these images
    return [
        Figure("AP in PyTorch", before),
        Figure("AP of the file", after),
        Figure("AP lost", before - after, most=tolerance.precision_lost),
    ]


def _precision(images: JudgedImages, results: Sequence[Result]) -> float:
    ids = [record["image_id"] for record in images.dataset]
    rows = {key: result.rows for key, result in zip(ids, results, strict=True)}
    return COCOEvaluator(images.dataset).metrics(rows)["AP"]


def _other_shapes(
    file: ExportedFile, model: nn.Module, image: np.ndarray, tolerance: Tolerance
) -> list[Figure]:
    """That batch, height and width are as free as the metadata says."""
    height, width = prepare([image], file.metadata).sizes[0]
    figures = []
    for batch, down, across in SHAPES:
        sides = max(SMALLEST, int(height * down)), max(SMALLEST, int(width * across))
        prepared = _patches(image, batch, sides, file.metadata)
        outputs = file.run(prepared.feeds())
        eager = _batch_on_canvas(model, prepared)
        pairs = [
            alike(other, result_of(outputs, index), tolerance) for index, other in enumerate(eager)
        ]
        share = 100 * float(np.concatenate([pair.queries for pair in pairs]).mean())
        name = f"queries alike, {batch} of {'x'.join(map(str, prepared.images.shape[2:]))}"
        figures.append(Figure(name, share, least=tolerance.queries, unit="%"))
    return figures


def _patches(
    image: np.ndarray, batch: int, sides: tuple[int, int], metadata: dict[str, Any]
) -> Prepared:
    """The same image several times, moved; all but the first one smaller than the canvas."""
    tiles = -(-sides[0] // image.shape[0]), -(-sides[1] // image.shape[1]), 1
    whole = np.tile(image, tiles)[: sides[0], : sides[1]]
    cut = [
        np.roll(whole, 7 * index, axis=1)[: sides[0] - 9 * index, : sides[1] - 5 * index]
        for index in range(batch)
    ]
    return prepare(cut, {**metadata, "resize": {"rule": "none"}})


def _on_same_canvas(model: nn.Module, prepared: Prepared) -> Result:
    return _batch_on_canvas(model, prepared)[0]


@torch.inference_mode()
def _batch_on_canvas(model: Any, prepared: Prepared) -> list[Result]:
    """What the detector itself says about a batch, padding and all."""
    height, width = prepared.images.shape[2:]
    items = []
    for pixels, size in zip(prepared.images, prepared.sizes, strict=True):
        pixels = pixels[:, : size[0], : size[1]]
        items.append({"image": torch.from_numpy(np.ascontiguousarray(pixels)).float()})
    batch = model.preprocess([*items, {"image": torch.zeros(3, height, width)}])
    predictions = model.detect(batch).predictions
    logits, boxes = predictions.logits[-1][:-1], predictions.boxes[-1][:-1]
    sizes = [tuple(size) for size in prepared.original_sizes.tolist()]
    results = []
    for index, instances in enumerate(model.postprocess(logits, boxes, sizes)):
        columns = (instances.scores[:, None], instances.pred_classes[:, None].float())
        rows = torch.cat([instances.pred_boxes.tensor, *columns], dim=1).numpy()
        results.append(Result(logits[index].numpy(), boxes[index].numpy(), rows))
    return results
