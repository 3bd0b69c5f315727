"""What a dataset asks of a model: objects large enough to be seen, classes often enough."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aligndetr.data.augmentation import Augmentation, Resize, ResizeShortestEdge
from aligndetr.data.coco_json import Content, box_defect
from aligndetr.doctor.findings import Report

_RARE_BOXES, _RARE_SHARE = 20, 0.02
_SHARE = 0.05  # of the objects, that may be smaller than a cell
_THINNEST = 1e-3  # pixels; what a resize leaves nothing of would have to grow without end
_GRID, _LARGEST = 32, 4096  # pixels; an edge that is advised is a multiple, and never longer


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
        """(N,) shorter sides of the `sized_objects` in pixels of what the model sees."""
        objects, sizes = sized_objects(content), _image_sizes(content)
        own_sizes = [sizes[a["image_id"]] for a in objects]
        scales = {size: self._scale(*size) for size in set(own_sizes)}
        factors = np.array([scales[size] for size in own_sizes]).reshape(-1, 2)
        boxes = np.array([a["bbox"][2:] for a in objects], dtype=np.float64).reshape(-1, 2)
        return (boxes * factors).min(axis=1)

    def _scale(self, height: int, width: int) -> np.ndarray:
        """(2,) factors of width and height."""
        corner = np.array([[width, height]], dtype=np.float64)
        for step in self.steps:
            columns, rows = np.round(corner[0]).astype(int)
            blank = np.broadcast_to(np.uint8(0), (rows, columns, 3))  # takes no memory
            corner = step.get_transform(blank, np.random.default_rng(0)).apply_coords(corner)
        return corner[0] / [width, height]


def sized_objects(content: Content) -> list[dict[str, Any]]:
    """The N annotations that are neither crowds nor without size, nor of an unknown image."""
    known = _image_sizes(content)
    return [
        a
        for a in content["annotations"]
        if not a.get("iscrowd", 0) and box_defect(a["bbox"]) is None and a["image_id"] in known
    ]


def check_scale(content: Content, view: View, report: Report) -> None:
    """Note how large objects are in the finest level, and when many are smaller than its cells."""
    sides = np.maximum(view.sides(content), _THINNEST)
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
    lines = [
        f"{files[a['image_id']]}: {a['bbox']}, {side:.1f} pixels to the model"
        for a, side in zip(sized_objects(content), sides, strict=True)
        if side < view.stride
    ]
    title = (
        f"objects are narrower than a cell of the model's finest level ({view.stride} pixels): "
        f"{len(lines) / len(sides):.0%} of them; {_how_to_enlarge(content, view, sides)}"
    )
    report.add("warning", title, lines)


def check_balance(content: Content, report: Report, is_trained_on: bool = True) -> None:
    """Classes that are too rare to be learned as the others are."""
    names = {category["id"]: category["name"] for category in content["categories"]}
    counts = _class_counts(content)
    lines = [
        f"{names.get(identity, identity)}: {counts[identity]} boxes, the commonest class has "
        f"{max(counts.values())}"
        for identity in _rare_classes(counts)
    ]
    title = "classes are rare (their AP will be low and vary)"
    threshold = repeat_threshold(content)
    if threshold and is_trained_on:
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


def _image_sizes(content: Content) -> dict[int, tuple[int, int]]:
    """Image id -> (height, width)."""
    return {image["id"]: (image["height"], image["width"]) for image in content["images"]}


def _how_to_enlarge(content: Content, view: View, sides: np.ndarray) -> str:
    """What to type so that 95 % of the objects are as wide as a cell."""
    factor = math.ceil(10 * view.stride / np.quantile(sides, _SHARE)) / 10
    size = _enough_image_size(content, view, sides)
    if size is None:
        return (
            f"95 % would be as wide as a cell in images {factor:g} times larger: give the mappers "
            "of dataloader.train and dataloader.test a larger resize, or cut images into tiles"
        )
    return (
        f"dataloader.image_size={size} makes 95 % as wide as a cell (in a config without it: all "
        f"lengths of the resizes times {factor:g})"
    )


def _enough_image_size(content: Content, view: View, sides: np.ndarray) -> int | None:
    """`dataloader.image_size`, the edge that the evaluation resizes to, which shows 95 %.

    None where nothing is resized, or where no reasonable size is enough.
    """
    resizes = [step for step in view.steps if isinstance(step, Resize | ResizeShortestEdge)]
    if not resizes:
        return None
    last = resizes[-1]
    lengths = last.shape if isinstance(last, Resize) else last.lengths
    sizes = _image_sizes(content)
    edges = max(lengths) if lengths else [min(sizes[a["image_id"]]) for a in sized_objects(content)]
    wanted = view.stride / np.quantile(sides / edges, _SHARE)
    size = math.ceil(wanted / _GRID) * _GRID
    return size if size <= _LARGEST else None
