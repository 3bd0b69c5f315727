"""Do scores know which boxes are good? The diagnosis that AlignDETR starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from aligndetr.evaluation.detections import DetectionEvaluator, Detections
from aligndetr.layers.boxes import pairwise_iou


@dataclass
class Alignment:
    """How the predictions of one object rank, for G objects.

    An object's *candidates* are the predictions of its class that overlap it more than any other
    object of that class, with IoU >= `min_iou`. Objects without candidates have rank -1 and NaN.

    Attributes:
        rank: (G,) candidates with a higher score than the best-regressed one; 0 is aligned.
        best_iou: (G,) IoU of the best-regressed candidate, the one with the highest IoU.
        top_iou: (G,) IoU of the most confident candidate.
        top_score: (G,) score of the most confident candidate.
    """

    rank: np.ndarray
    best_iou: np.ndarray
    top_iou: np.ndarray
    top_score: np.ndarray

    @staticmethod
    def cat(parts: Sequence[Alignment]) -> Alignment:
        """The objects of several images, in order."""
        names = ("rank", "best_iou", "top_iou", "top_score")
        columns = [[getattr(part, name) for part in parts] for name in names]
        return Alignment(*(np.concatenate(column) if column else np.zeros(0) for column in columns))


class AlignmentEvaluator(DetectionEvaluator):
    """Recall of best-regressed samples, and the correlation of score and IoU.

    A set predictor keeps one box an object: its most confident one. AlignDETR (Cai et al., arXiv
    2304.07527, section 1) observes that the box with the highest IoU, the best-regressed
    sample, is often not among the confident ones, so that accuracy the decoder has already
    reached is thrown away. Numbers are in percent, over all objects but crowds:

    - `recall@k`: objects whose best-regressed candidate is among their k most confident
      candidates (`Alignment` says what a candidate is). Objects without candidates count as
      not recalled. Equal scores count in favour; of equal IoUs the more confident is the best.
    - `covered`: objects with at least one candidate; the upper bound of `recall@k`.
    - `iou_best`, `iou_top`: mean IoU of the best-regressed and of the most confident candidate,
      over covered objects; their difference is the overlap that misalignment costs.
    - `pearson`, `spearman`: correlation (times 100) of score and IoU over the most confident
      candidates. Other candidates are left out: a set predictor must give duplicates low scores,
      however well they fit.

    Args:
        dataset: a `DetectionDataset`; its records' `annotations` are the objects.
        min_iou: overlap from which a prediction is a candidate.
        ranks: the k of `recall@k`.
    """

    task, title = "alignment", "Alignment"

    def __init__(self, dataset, min_iou: float = 0.5, ranks: Sequence[int] = (1, 3, 10)) -> None:
        super().__init__(dataset)
        self.min_iou = min_iou
        self.ranks = tuple(ranks)

    def metrics(self, detections: Detections) -> dict[str, float]:
        """The numbers above; images that were not seen do not count."""
        parts = []
        for image_id, rows in detections.items():
            predicted = (rows[:, :4], rows[:, 4], rows[:, 5])
            parts.append(image_alignment(*predicted, *self._objects(image_id), self.min_iou))
        return alignment_metrics(Alignment.cat(parts), self.ranks)

    def _objects(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """(G, 4) xyxy pixels and (G,) classes of an image's objects that are no crowds."""
        annotations = self.dataset[self._index_of[image_id]]["annotations"]
        objects = [a for a in annotations if not a.get("iscrowd", 0)]
        boxes = np.array([a["bbox"] for a in objects], dtype=np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return boxes, np.array([a["category_id"] for a in objects], dtype=np.int64)


def image_alignment(
    boxes: np.ndarray,
    scores: np.ndarray,
    classes: np.ndarray,
    truth: np.ndarray,
    truth_classes: np.ndarray,
    min_iou: float = 0.5,
) -> Alignment:
    """The alignment of one image's objects.

    Args:
        boxes: (P, 4) predicted boxes, xyxy pixels.
        scores: (P,) their scores.
        classes: (P,) their classes.
        truth: (G, 4) objects, xyxy pixels.
        truth_classes: (G,) their classes.
        min_iou: overlap from which a prediction is a candidate.
    """
    size = len(truth)
    rank = np.full(size, -1)
    best_iou, top_iou, top_score = (np.full(size, np.nan) for _ in range(3))
    if size and len(boxes):
        iou = pairwise_iou(torch.as_tensor(boxes), torch.as_tensor(truth))[0].numpy()
        iou = np.where(classes[:, None] == truth_classes[None, :], iou, -1.0)
        owner, overlap = iou.argmax(axis=1), iou.max(axis=1)
        for index in np.unique(owner[overlap >= min_iou]):
            candidates = np.flatnonzero((owner == index) & (overlap >= min_iou))
            score, fit = scores[candidates], overlap[candidates]
            best = np.lexsort((-score, -fit))[0]
            top = np.lexsort((-fit, -score))[0]
            rank[index] = (score > score[best]).sum()
            best_iou[index], top_iou[index], top_score[index] = fit[best], fit[top], score[top]
    return Alignment(rank, best_iou, top_iou, top_score)


def alignment_metrics(alignment: Alignment, ranks: Sequence[int] = (1, 3, 10)) -> dict[str, float]:
    """The numbers that `AlignmentEvaluator` describes, in percent."""
    covered = alignment.rank >= 0
    iou, score = alignment.top_iou[covered], alignment.top_score[covered]
    metrics = {f"recall@{k}": _mean(covered & (alignment.rank < k)) for k in ranks}
    metrics["covered"] = _mean(covered)
    metrics["iou_best"] = _mean(alignment.best_iou[covered])
    metrics["iou_top"] = _mean(iou)
    metrics["pearson"] = _correlation(score, iou)
    metrics["spearman"] = _correlation(_ranks(score), _ranks(iou))
    return metrics


def _mean(values: np.ndarray) -> float:
    return 100 * float(values.mean()) if len(values) else float("nan")


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation times 100, NaN for fewer than two values or constant ones."""
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return 100 * float(np.corrcoef(a, b)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Positions in ascending order; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]
