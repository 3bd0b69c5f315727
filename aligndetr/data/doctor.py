"""Examine a dataset before training: what is wrong, how often, and where."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from aligndetr.data import annotation_checks
from aligndetr.data.coco import has_extent, read_coco_json
from aligndetr.data.findings import Finding, Report
from aligndetr.data.image_checks import check_images
from aligndetr.errors import DataError


def examine(
    name: str,
    json_file: str | os.PathLike,
    image_root: str | os.PathLike,
    num_queries: int | None = None,
    decode_images: bool = True,
) -> Report:
    """Examine one dataset in COCO format.

    Args:
        name: what the report calls it.
        json_file: annotation file.
        image_root: folder of the images.
        num_queries: of the model, to compare with the boxes of an image; None: not compared.
        decode_images: read all pixels; False only reads each file's header, which is quick but
            misses truncated files and duplicates.
    """
    report = Report(name)
    try:
        content = read_coco_json(json_file)
    except DataError as error:
        report.add("error", "the annotation file cannot be used", [str(error)])
        return report
    report.class_names = [c["name"] for c in sorted(content["categories"], key=lambda c: c["id"])]
    report.facts = [("annotations", str(json_file)), ("images", str(image_root))]
    report.facts += describe(content)
    annotation_checks.check_ids(content, report)
    annotation_checks.check_boxes(content, report)
    annotation_checks.check_contents(content, report)
    annotation_checks.check_num_queries(content, num_queries, report)
    if Path(image_root).is_dir():
        check_images(content["images"], Path(image_root), decode_images, report)
    else:
        report.add("error", "the image folder does not exist", [str(image_root)])
    return report


def find_leaks(reports: list[Report]) -> list[Finding]:
    """Images whose pixels are in two datasets, for example in training and validation."""
    findings = []
    for number, first in enumerate(reports):
        for second in reports[number + 1 :]:
            common = [digest for digest in second.fingerprints if digest in first.fingerprints]
            if common:
                lines = [f"{first.fingerprints[d]} = {second.fingerprints[d]}" for d in common]
                title = f"images are in both {first.name} and {second.name}"
                findings.append(Finding("warning", title, lines))
    return findings


def describe(content: dict[str, list[dict[str, Any]]]) -> list[tuple[str, str]]:
    """Facts of an annotation file: counts, sizes of images and boxes, classes."""
    images, annotations = content["images"], content["annotations"]
    crowds = sum(bool(annotation.get("iscrowd", 0)) for annotation in annotations)
    facts = [
        (
            "size",
            f"{len(images)} images, {len(annotations) - crowds} boxes, {crowds} crowds, "
            f"{len(content['categories'])} classes",
        )
    ]
    if not images or not annotations:
        return facts
    widths, heights = ([image[side] for image in images] for side in ("width", "height"))
    per_image = Counter(a["image_id"] for a in annotations if not a.get("iscrowd", 0))
    counts = np.array([per_image[image["id"]] for image in images])
    facts += [
        ("width", f"{min(widths)} to {max(widths)} pixels, median {np.median(widths):g}"),
        ("height", f"{min(heights)} to {max(heights)} pixels, median {np.median(heights):g}"),
        (
            "boxes/image",
            f"median {np.median(counts):g}, mean {counts.mean():.1f}, max {max(counts)}",
        ),
        ("box area", _area_shares(annotations)),
        ("classes", _class_shares(content)),
    ]
    return facts


def _area_shares(annotations: list[dict[str, Any]]) -> str:
    boxes = [a["bbox"] for a in annotations if has_extent(a["bbox"])]
    if not boxes:
        return "no box has a size"
    areas = np.prod([box[2:] for box in boxes], axis=1)
    small, large = (areas < 32**2).mean(), (areas >= 96**2).mean()
    medium = 1 - small - large
    return f"{small:.0%} small (< 32^2 pixels), {medium:.0%} medium, {large:.0%} large (>= 96^2)"


def _class_shares(content: dict[str, list[dict[str, Any]]]) -> str:
    names = {category["id"]: category["name"] for category in content["categories"]}
    counts = Counter(names.get(a["category_id"], "unknown") for a in content["annotations"])
    ranked = [f"{name} {count}" for name, count in counts.most_common()]
    if len(ranked) > 8:
        ranked = [*ranked[:4], "...", *ranked[-3:]]
    return ", ".join(ranked)
