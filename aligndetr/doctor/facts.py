"""What an annotation file holds, in numbers: sizes of images and boxes, classes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from aligndetr.data.coco_json import Content, box_defect


def describe(content: Content) -> list[tuple[str, str]]:
    """Facts of an annotation file: counts, sizes of images and boxes, classes."""
    images = content["images"]
    objects = [a for a in content["annotations"] if not a.get("iscrowd", 0)]
    crowds = len(content["annotations"]) - len(objects)
    facts = [
        (
            "size",
            f"{len(images)} images, {len(objects)} boxes, {crowds} crowds, "
            f"{len(content['categories'])} classes",
        )
    ]
    if not images or not objects:
        return facts
    widths, heights = ([image[side] for image in images] for side in ("width", "height"))
    per_image = Counter(a["image_id"] for a in objects)
    counts = np.array([per_image[image["id"]] for image in images])
    facts += [
        ("width", f"{min(widths)} to {max(widths)} pixels, median {np.median(widths):g}"),
        ("height", f"{min(heights)} to {max(heights)} pixels, median {np.median(heights):g}"),
        (
            "boxes/image",
            f"median {np.median(counts):g}, mean {counts.mean():.1f}, max {max(counts)}",
        ),
        ("box area", _area_shares(objects)),
        ("classes", _class_shares(objects, content["categories"])),
    ]
    return facts


def _area_shares(objects: list[dict[str, Any]]) -> str:
    boxes = [a["bbox"] for a in objects if box_defect(a["bbox"]) is None]
    if not boxes:
        return "no box has a size"
    areas = np.prod([box[2:] for box in boxes], axis=1)
    small, large = (areas < 32**2).mean(), (areas >= 96**2).mean()
    medium = 1 - small - large
    return f"{small:.0%} small (< 32^2 pixels), {medium:.0%} medium, {large:.0%} large (>= 96^2)"


def _class_shares(objects: list[dict[str, Any]], categories: list[dict[str, Any]]) -> str:
    names = {category["id"]: category["name"] for category in categories}
    counts = Counter(names.get(a["category_id"], "unknown") for a in objects)
    ranked = [f"{name} {count}" for name, count in counts.most_common()]
    if len(ranked) > 8:
        ranked = [*ranked[:4], "...", *ranked[-3:]]
    return ", ".join(ranked)
