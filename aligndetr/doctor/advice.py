"""What a dataset asks of a model: objects large enough to be seen, classes often enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aligndetr.data.augmentation import Augmentation
from aligndetr.data.coco_json import Content, box_defect
from aligndetr.doctor.findings import Report

_RARE_BOXES, _RARE_SHARE = 20, 0.02
_SHARE = 0.05  # of the objects, that may be smaller than a cell


@dataclass(frozen=True)
class View:
    """How a model sees an image.

    Attributes:
        steps: the augmentation of its evaluation, which sets the size.
        stride: pixels a cell of its finest level.
    """

    steps: Sequence[Augmentation]
    stride: int

    def sides(self, content: Content) -> np.ndarray:
        """(N,) shorter sides of all objects in pixels of what the model sees."""
        boxes: dict[int, list[list[float]]] = {}
        for annotation in content["annotations"]:
            if not annotation.get("iscrowd", 0) and box_defect(annotation["bbox"]) is None:
                boxes.setdefault(annotation["image_id"], []).append(annotation["bbox"][2:])
        scales: dict[tuple[int, int], np.ndarray] = {}
        found = [np.zeros(0)]
        for image in content["images"]:
            if image["id"] in boxes:
                size = image["height"], image["width"]
                if size not in scales:
                    scales[size] = self._scale(*size)
                found.append((np.array(boxes[image["id"]]) * scales[size]).min(axis=1))
        return np.concatenate(found)

    def _scale(self, height: int, width: int) -> np.ndarray:
        """(2,) factors of width and height."""
        corner = np.array([[width, height]], dtype=np.float64)
        for step in self.steps:
            columns, rows = np.round(corner[0]).astype(int)
            blank = np.broadcast_to(np.uint8(0), (rows, columns, 3))  # takes no memory
            corner = step.get_transform(blank, np.random.default_rng(0)).apply_coords(corner)
        return corner[0] / [width, height]


def check_scale(content: Content, view: View, report: Report) -> None:
    """Note how large objects are in the finest level, and when many are smaller than its cells."""
    sides = view.sides(content)
    if not len(sides):
        return
    low, middle = np.quantile(sides, [_SHARE, 0.5])
    report.facts.append(
        (
            "to the model",
            f"shorter side of an object: median {middle:.0f} pixels, 5 % below {low:.0f}; "
            f"a cell of the finest level: {view.stride}",
        )
    )
    if low >= view.stride:
        return
    files = {image["id"]: image["file_name"] for image in content["images"]}
    factor = view.stride / low
    title = (
        f"objects are narrower than a cell of the model's finest level ({view.stride} pixels): "
        f"{(sides < view.stride).mean():.0%} of them; images {factor:.1f} times larger would bring "
        f"95 % above it{_override(view, factor)}"
    )
    small = [a for a in content["annotations"] if min(a["bbox"][2:]) <= low]
    lines = [f"{files.get(a['image_id'], a['image_id'])}: {a['bbox']}" for a in small]
    report.add("warning", title, lines)


def check_balance(content: Content, report: Report) -> None:
    """Classes that are too rare to be learned as the others are."""
    names = {category["id"]: category["name"] for category in content["categories"]}
    counts = _class_counts(content)
    lines = [
        f"{names.get(identity, identity)}: {counts[identity]} boxes, the commonest class has "
        f"{max(counts.values())}"
        for identity in _rare_classes(counts)
    ]
    title = "classes are rare (their AP will be low and vary)"
    if threshold := repeat_threshold(content):
        target = f"{{_target_: aligndetr.data.RepeatFactor, threshold: {threshold:g}}}"
        title += f"; their images more often: '+dataloader.train.balancing={target}'"
    report.add("warning", title, lines)


def repeat_threshold(content: Content) -> float | None:
    """The threshold of `RepeatFactor` that suits rare classes, None if none would be repeated.

    It is the part of the images that the class in the middle is in: what is in fewer images than
    most classes comes more often.
    """
    rare = _rare_classes(_class_counts(content))
    pairs = {
        (a["image_id"], a["category_id"]) for a in content["annotations"] if not a.get("iscrowd", 0)
    }
    images = Counter(identity for _, identity in pairs)
    if not rare:
        return None
    middle = float(np.median(list(images.values())))
    threshold = float(f"{middle / len(content['images']):.2g}")
    is_useful = min(images[identity] for identity in rare) < middle
    return min(threshold, 1.0) if is_useful else None


def _class_counts(content: Content) -> Counter[int]:
    return Counter(a["category_id"] for a in content["annotations"] if not a.get("iscrowd", 0))


def _rare_classes(counts: Counter[int]) -> list[int]:
    most = max(counts.values(), default=0)
    if len(counts) < 2:
        return []
    return [
        identity
        for identity, count in counts.items()
        if (count < _RARE_BOXES and count < most / 4) or count < _RARE_SHARE * most
    ]


def _override(view: View, factor: float) -> str:
    for place, step in enumerate(view.steps):
        if lengths := getattr(step, "lengths", None):
            wanted = round(max(lengths) * factor)
            return (
                f": dataloader.test.mapper.augmentation.{place}.short_edge_length={wanted}, "
                "max_size beside it, and those of dataloader.train.mapper"
            )
    return ""
