"""What can be wrong in a COCO annotation file; each check notes its findings in a report."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from aligndetr.data.coco_json import Content, box_defect, repeated, strangers
from aligndetr.doctor.findings import Report
from aligndetr.matchers import lost_copies

_MARGIN = 1.0  # pixels; tools round box edges, so that they stand out a little


def check_ids(content: Content, report: Report) -> None:
    """Ids that are not unique or that refer to nothing, and names that are used twice."""
    ids = [annotation["id"] for annotation in content["annotations"] if "id" in annotation]
    for level, title, text, values in (
        ("error", "image ids are not unique", "id {}", _all(content, "images", "id")),
        ("error", "category ids are not unique", "id {}", _all(content, "categories", "id")),
        ("error", "annotation ids are not unique", "id {}", ids),
        ("warning", "files are listed more than once", "{}", _all(content, "images", "file_name")),
        ("warning", "class names are not unique", "{}", _all(content, "categories", "name")),
    ):
        twice = [f"{text.format(value)}: {n} times" for value, n in repeated(values).items()]
        report.add(level, title, twice)
    for key, part in (("image_id", "images"), ("category_id", "categories")):
        lines = [
            f"annotation {_identity(a)}: {key.replace('_', ' ')} {a[key]}"
            for _, a in strangers(content, key)
        ]
        report.add("error", f"annotations refer to {part} that are not in the file", lines)


def check_boxes(content: Content, report: Report) -> None:
    """Boxes that are no boxes, have no size, lie outside of their image or come twice."""
    images = {image["id"]: image for image in content["images"]}
    found = defaultdict(list)
    seen: set[tuple] = set()
    for annotation in content["annotations"]:
        image = images.get(annotation["image_id"])
        where = f"annotation {_identity(annotation)}: {annotation['bbox']}"
        if image is not None:
            where += f" in {image['file_name']} ({image['width']}x{image['height']})"
        found[_defect(annotation["bbox"], image)].append(where)
        key = (annotation["image_id"], annotation["category_id"], str(annotation["bbox"]))
        if key in seen:
            found["repeated"].append(where)
        seen.add(key)
    for defect, (level, title) in _BOX_DEFECTS.items():
        report.add(level, title, found[defect])


def check_contents(content: Content, report: Report) -> None:
    """Classes without a box, images without one, and images that have only crowds."""
    used = {a["category_id"] for a in content["annotations"] if not a.get("iscrowd", 0)}
    unused = [f"{c['name']} (id {c['id']})" for c in content["categories"] if c["id"] not in used]
    report.add("warning", "classes have no box at all", unused)
    crowd_flags = defaultdict(list)
    for annotation in content["annotations"]:
        crowd_flags[annotation["image_id"]].append(bool(annotation.get("iscrowd", 0)))
    empty = [i["file_name"] for i in content["images"] if not crowd_flags.get(i["id"])]
    report.add("warning", "images have no annotation (kept unless filter_empty=True)", empty)
    crowds = [
        i["file_name"]
        for i in content["images"]
        if crowd_flags.get(i["id"]) and all(crowd_flags[i["id"]])
    ]
    report.add("warning", "images have only crowds (without objects in training)", crowds)


def check_objects(content: Content, report: Report) -> None:
    """That there is an object at all: labels in another folder than is looked in give none."""
    images, num_crowds = content["images"], len(content["annotations"])
    if images and all(annotation.get("iscrowd", 0) for annotation in content["annotations"]):
        title = "split has no boxes to learn from or to judge by; are labels where they should be?"
        text = f"{len(images)} images, such as {images[0]['file_name']}, and {num_crowds} crowds"
        report.add("error", title, [text])


def check_num_queries(
    content: Content,
    num_queries: int | None,
    match_num: Sequence[int] | None,
    report: Report,
    is_trained_on: bool = True,
) -> None:
    """Images with more boxes than the model has queries to match them with, or to copy them to."""
    if num_queries is None:
        return
    files = {image["id"]: image["file_name"] for image in content["images"]}
    counts = Counter(a["image_id"] for a in content["annotations"] if not a.get("iscrowd", 0))
    lines = [f"{files.get(image, image)}: {n} boxes" for image, n in counts.most_common()]
    num_beyond = sum(count > num_queries for count in counts.values())
    num_crowded = sum(count > num_queries / 2 for count in counts.values())
    remedy = _enough_queries(counts, match_num)
    title = f"images have more boxes than the model has queries ({num_queries}); {remedy}"
    report.add("error", title, lines[:num_beyond])
    if not is_trained_on:
        return
    if lost := lost_copies(counts.values(), match_num, num_queries):
        title = f"images lose copies of their objects: {lost}"
        report.add("warning", title, lines[: lost.num_lost])
    else:
        title = f"images have more boxes than half of the queries ({num_queries})"
        title += f": fewer queries a box there; {remedy}"
        report.add("warning", title, lines[num_beyond:num_crowded])


_BOX_DEFECTS = {
    "negative": ("error", "boxes have a negative width or height (left out in training)"),
    "zero": ("warning", "boxes have zero width or height (left out in training)"),
    "outside": ("error", "boxes lie outside of their image"),
    "beyond": ("warning", "boxes reach over the image's edge (cut in training)"),
    "repeated": ("warning", "boxes are annotated twice (same image, class and numbers)"),
}


def _enough_queries(counts: Counter[int], match_num: Sequence[int] | None) -> str:
    """The override with which half of the queries hold all copies of all boxes of any image."""
    most = max(counts.values(), default=0)
    return f"model.num_queries={2 * max(match_num or [1]) * most} is enough for all images"


def _defect(box: list[float], image: dict[str, Any] | None) -> str | None:
    """A key of `_BOX_DEFECTS`, or None for a good box."""
    defect = box_defect(box)
    if defect or image is None:
        return defect
    x, y, width, height = box
    if x >= image["width"] or y >= image["height"] or x + width <= 0 or y + height <= 0:
        return "outside"
    over = max(-x, -y, x + width - image["width"], y + height - image["height"])
    return "beyond" if over > _MARGIN else None


def _all(content: Content, part: str, key: str) -> list[Any]:
    return [entry[key] for entry in content[part]]


def _identity(annotation: dict[str, Any]) -> Any:
    return annotation.get("id", "without id")
