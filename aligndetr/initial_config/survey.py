"""What a dataset asks of a config: splits, sizes of objects, crowds, classes."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aligndetr import doctor
from aligndetr.data.catalog import label_of
from aligndetr.data.coco_json import Content, box_defect
from aligndetr.data.conversion import TooFewGroupsError, convert
from aligndetr.data.formats import Source, read, sources_at
from aligndetr.data.formats.text_files import split_of
from aligndetr.doctor import Finding, Report
from aligndetr.errors import DataError

VAL_SHARE = 0.2


@dataclass(frozen=True)
class Survey:
    """A dataset with a part to learn from and a part to judge by.

    Attributes:
        path: of the dataset, absolute.
        is_judged_by_itself: there is no other part, so that AP says nothing about new images.
        class_names: K names.
        num_images: to learn from.
        num_val_images: to judge by.
        counts: objects of each image to learn from, without crowds.
        most_objects: in any image of both parts.
        sides: (N,) shorter sides of objects, as parts of the shorter edge of their image.
        short_edge: median of the images, in pixels.
        elongation: the largest ratio of an image's edges.
        repeat_threshold: of `RepeatFactor`; None where no class is rare.
        reports: of the doctor, for both parts.
        leaks: findings about images that are in both.
    """

    path: Path
    is_judged_by_itself: bool
    class_names: list[str]
    num_images: int
    num_val_images: int
    counts: list[int]
    most_objects: int
    sides: np.ndarray
    short_edge: float
    elongation: float
    repeat_threshold: float | None
    reports: list[Report]
    leaks: list[Finding]


def survey(path: str | os.PathLike, divided: Path, quick: bool = False) -> Survey:
    """Look at a dataset; one without a val split is divided into a copy.

    Args:
        path: folder or annotation file, of any form that training reads.
        divided: a folder for the copy, made only if it is needed; one that is there is used.
        quick: read only the headers of images.

    Raises:
        DataError: there is no such data, or none to learn from, or it has errors.
        UserError: the copy cannot be written.
    """
    path, train, val = _parts(Path(path).expanduser().resolve(), divided)
    parts = [train] if val is None else [train, val]
    reports = [doctor.examine(label_of(p), p, decode_images=not quick) for p in parts]
    found = [finding for report in reports for finding in report.findings]
    _refuse(path, found + doctor.compare_classes(reports, None))
    contents = [report.reading.content for report in reports if report.reading]
    learned, judged = contents[0], contents[-1]
    counts, sides = _counts(learned), _sides(learned)
    if not len(sides):
        raise DataError(f"{path} has no boxes to learn from")
    edges = np.array([sorted((i["height"], i["width"])) for i in learned["images"]], dtype=float)
    return Survey(
        path=path,
        is_judged_by_itself=val is None,
        class_names=reports[0].class_names,
        num_images=len(learned["images"]),
        num_val_images=len(judged["images"]),
        counts=counts,
        most_objects=max(max(_counts(content), default=0) for content in contents),
        sides=sides,
        short_edge=float(np.median(edges[:, 0])),
        elongation=float((edges[:, 1] / edges[:, 0]).max()),
        repeat_threshold=doctor.repeat_threshold(learned),
        reports=reports,
        leaks=doctor.find_leaks(reports),
    )


def _parts(path: Path, divided: Path) -> tuple[Path, Source, Source | None]:
    """Where the dataset is, its part to learn from, and one to judge by, if there can be one."""
    found = {_usual(source): source for source in sources_at(path)}
    if "train" in found and "val" in found:
        return path, found["train"], found["val"]
    whole = found.get("train") or found.get(None)
    if whole is None:
        raise DataError(f"{path} has no train split, only {', '.join(map(str, found))}")
    if not divided.exists():
        try:
            convert(path, divided, "coco", {"val": VAL_SHARE})
        except TooFewGroupsError:
            return path, whole, None
    copies = {_usual(source): source for source in sources_at(divided)}
    if _num_images(*copies.values()) != _num_images(*found.values()):
        raise DataError(f"{divided} is there, but no copy of {path}: remove it")
    return divided.resolve(), copies["train"], copies["val"]


def _usual(source: Source) -> str | None:
    """The split as train, val or test; what it is called where it is none of them."""
    return split_of(source.split or "") or source.split


def _num_images(*sources: Source) -> int:
    return sum(len(read(source).content["images"]) for source in sources)


def _refuse(path: Path, findings: list[Finding]) -> None:
    """Data that training would refuse."""
    errors = [finding for finding in findings if finding.level == "error"]
    if errors:
        first = errors[0]
        others = f", and {len(errors) - 1} errors more" if errors[1:] else ""
        raise DataError(
            f"{path}: {first.title} ({len(first.examples)}, such as {first.examples[0]}){others}; "
            f"`aligndetr doctor {path}` names them all: correct them first"
        )


def _counts(content: Content) -> list[int]:
    """Objects of each image, without crowds."""
    counts = Counter(a["image_id"] for a in content["annotations"] if not a.get("iscrowd", 0))
    return [counts[image["id"]] for image in content["images"]]


def _sides(content: Content) -> np.ndarray:
    edges = {image["id"]: min(image["height"], image["width"]) for image in content["images"]}
    sides = [
        min(a["bbox"][2:]) / edges[a["image_id"]]
        for a in content["annotations"]
        if not a.get("iscrowd", 0) and box_defect(a["bbox"]) is None
    ]
    return np.array(sides)
