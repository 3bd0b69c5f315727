"""Which detection found which object, at every threshold of IoU: what measures are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SIDES = ("left", "right")
IOU_THRESHOLDS = tuple(np.arange(50, 100, 5) / 100)
"""0.50, 0.55, ... 0.95, as COCO averages over them."""


@dataclass(frozen=True)
class LabelledBoxes:
    """Boxes of all images.

    Attributes:
        image: (N,) index into `Matches.image_ids`.
        label: (N,) class index.
        boxes: (N, 4) xyxy pixels.
    """

    image: np.ndarray
    label: np.ndarray
    boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.image)


@dataclass(frozen=True)
class Objects(LabelledBoxes):
    """The ground truth, in the order of the file.

    Attributes:
        crowd: (N,) bool: a region of many objects, which detections may lie in at no cost.
        area: (N,) pixels, as the file says; a mask's where there is one.
    """

    crowd: np.ndarray
    area: np.ndarray


@dataclass(frozen=True)
class Found(LabelledBoxes):
    """The detections, best scores first; of equal scores the earlier image's.

    Attributes:
        score: (N,).
    """

    score: np.ndarray


@dataclass(frozen=True)
class Matches:
    """Objects, detections, and COCO's greedy matching of the two (Lin et al. 2014).

    Within an image and a class the most confident detection takes the free object that it overlaps
    most, if their IoU reaches the threshold, and so on. What falls into a crowd region instead (by
    the share of its own area) is neither right nor wrong.

    Attributes:
        class_names: names by class index.
        image_ids: the file's ids by image index.
        objects: the ground truth.
        found: the detections, no more than `max_dets` an image and class.
        thresholds: (T,) of IoU.
        matched: (T, D) index of the object that a detection found, -1 where it found none.
    """

    class_names: tuple[str, ...]
    image_ids: np.ndarray
    objects: Objects
    found: Found
    thresholds: np.ndarray
    matched: np.ndarray

    @property
    def hit(self) -> np.ndarray:
        """(T, D) bool: found an object."""
        return (self.matched >= 0) & ~self.ignored

    @property
    def ignored(self) -> np.ndarray:
        """(T, D) bool: lies in a crowd region, counts neither for nor against."""
        return np.append(self.objects.crowd, False)[self.matched]  # -1 is the last

    def place(self, threshold: float) -> int:
        """Row of a threshold of IoU.

        Raises:
            ValueError: there is no such row.
        """
        near = np.flatnonzero(np.isclose(self.thresholds, threshold))
        if not near.size:
            raise ValueError(f"no matches at IoU {threshold}, only at {self.thresholds.tolist()}")
        return int(near[0])

    def overlap(self, threshold: float) -> np.ndarray:
        """(D,) IoU of each detection with the object that it found at a threshold, else 0."""
        row = self.place(threshold)
        overlap = np.zeros(len(self.found))
        hit = np.flatnonzero(self.hit[row])
        pairs = self.found.boxes[hit], self.objects.boxes[self.matched[row, hit]]
        overlap[hit] = _iou(*pairs)
        return overlap


def match(
    ground_truth: Mapping[str, Sequence[Mapping[str, Any]]],
    annotations: Sequence[Mapping[str, Any]],
    thresholds: Sequence[float] = IOU_THRESHOLDS,
    max_dets: int = 100,
) -> Matches:
    """Match detections to objects.

    Args:
        ground_truth: images, annotations (with `iscrowd` and `area`) and categories of a COCO
            json; see `evaluation.ground_truth`.
        annotations: detections in COCO's results format.
        thresholds: of IoU, ascending.
        max_dets: detections that count per image and class, best scores first.
    """
    image_ids = np.array([image["id"] for image in ground_truth["images"]])
    categories = ground_truth["categories"]
    labels = {category["id"]: index for index, category in enumerate(categories)}
    places = {image_id: index for index, image_id in enumerate(image_ids.tolist())}
    truth = ground_truth["annotations"]
    objects = Objects(
        *_columns(truth, places, labels),
        crowd=np.array([bool(a["iscrowd"]) for a in truth], dtype=bool),
        area=np.array([a["area"] for a in truth], dtype=np.float64),
    )
    columns = _columns(annotations, places, labels)
    score = np.array([a["score"] for a in annotations], dtype=np.float64)
    order = np.lexsort((np.arange(len(score)), columns[0], -score))
    image, label, boxes = (column[order] for column in columns)
    kept = _first_of_each(image * len(categories) + label, max_dets)
    found = Found(image[kept], label[kept], boxes[kept], score[order][kept])
    levels = np.asarray(thresholds, dtype=np.float64)
    matched = _match_all(objects, found, levels)
    names = tuple(category["name"] for category in categories)
    return Matches(names, image_ids, objects, found, levels, matched)


def by_image(images: np.ndarray, count: int) -> list[np.ndarray]:
    """Places of each image's entries, in their order.

    Args:
        images: (N,) index of an image.
        count: of all images.
    """
    order = np.argsort(images, kind="stable")
    return np.split(order, np.searchsorted(images[order], np.arange(1, count)))


def _columns(
    annotations: Sequence[Mapping[str, Any]], places: Mapping[int, int], labels: Mapping[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N,) image index, (N,) class index, (N, 4) boxes in xyxy."""
    image = np.array([places[a["image_id"]] for a in annotations], dtype=np.int64)
    label = np.array([labels[a["category_id"]] for a in annotations], dtype=np.int64)
    boxes = np.array([a["bbox"] for a in annotations], dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return image, label, boxes


def _first_of_each(group: np.ndarray, limit: int) -> np.ndarray:
    """(N,) bool: whether an entry is among the first `limit` of its group."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    position = np.arange(len(group)) - np.searchsorted(ordered, ordered)
    kept = np.empty(len(group), dtype=bool)
    kept[order] = position < limit
    return kept


def _match_all(objects: Objects, found: Found, thresholds: np.ndarray) -> np.ndarray:
    matched = np.full((len(thresholds), len(found)), -1)
    classes = 1 + max(objects.label.max(initial=0), found.label.max(initial=0))
    group, of_found = (part.image * classes + part.label for part in (objects, found))
    by_group, by_found = (np.argsort(keys, kind="stable") for keys in (group, of_found))
    group, of_found = group[by_group], of_found[by_found]
    keys = np.unique(group)
    bounds = [np.searchsorted(g, keys, side) for g in (group, of_found) for side in SIDES]
    for start, end, begin, stop in zip(*bounds, strict=True):
        if begin < stop:
            truth, detections = by_group[start:end], by_found[begin:stop]
            crowd = objects.crowd[truth]
            overlap = overlaps(found.boxes[detections], objects.boxes[truth], crowd)
            local = _match_greedily(overlap, crowd, thresholds)
            matched[:, detections] = np.where(local >= 0, truth[local], -1)
    return matched


def _match_greedily(overlap: np.ndarray, crowd: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """(T, D) object of each detection, -1 for none; detections (D, G) are in falling score."""
    levels, last = np.arange(len(thresholds)), overlap.shape[1] - 1
    free = np.ones((len(thresholds), overlap.shape[1]), dtype=bool)
    matched = np.full((len(thresholds), len(overlap)), -1)
    for index in np.flatnonzero(overlap.max(axis=1) >= thresholds[0]):
        fits = free & (overlap[index] >= thresholds[:, None])
        rank = np.where(fits, overlap[index] + 2 * ~crowd, -1)  # crowds come after all objects
        best = last - rank[:, ::-1].argmax(axis=1)  # of equal overlaps the last, as COCO has it
        hit = fits[levels, best]
        matched[hit, index] = best[hit]
        free[levels[hit], best[hit]] = crowd[best[hit]]
    return matched


def overlaps(boxes: np.ndarray, truth: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """(D, G) IoU; for crowds the share of the detection's area that lies in them."""
    low = np.maximum(boxes[:, None, :2], truth[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], truth[None, :, 2:])
    shared = (high - low).clip(min=0).prod(axis=2)
    area = _area(boxes)[:, None]
    union = np.where(crowd, area, area + _area(truth) - shared)
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _iou(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N,) IoU of N pairs."""
    low, high = np.maximum(boxes[:, :2], truth[:, :2]), np.minimum(boxes[:, 2:], truth[:, 2:])
    shared = (high - low).clip(min=0).prod(axis=1)
    return shared / (_area(boxes) + _area(truth) - shared)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
