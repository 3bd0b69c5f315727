"""Examine datasets, one by one and side by side: what is wrong, how often, and where."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from aligndetr.data.entries import EntriesError
from aligndetr.data.formats import Source, read
from aligndetr.data.formats.named_images import MISSING
from aligndetr.data.formats.text_files import split_of
from aligndetr.doctor import annotation_checks
from aligndetr.doctor.advice import View, check_balance, check_scale
from aligndetr.doctor.division import check_division
from aligndetr.doctor.facts import describe
from aligndetr.doctor.findings import Finding, Report
from aligndetr.doctor.image_checks import check_images
from aligndetr.doctor.shard_checks import check_shards
from aligndetr.errors import DataError


def examine(
    name: str,
    source: Source,
    num_queries: int | None = None,
    match_num: Sequence[int] | None = None,
    decode_images: bool = True,
    view: View | None = None,
    is_trained_on: bool = True,
) -> Report:
    """Examine one dataset.

    Args:
        name: what the report calls it.
        source: where it is.
        num_queries: of the model, to compare with the boxes of an image; None: not compared.
        match_num: of the model's criterion, queries that an object should get; None: 1.
        decode_images: read all pixels; False only reads each file's header, which is quick but
            misses truncated files and duplicates.
        view: how the model sees images; None: not compared.
        is_trained_on: whether advice on how to learn from it helps.
    """
    report = Report(name, source=source)
    try:
        reading = read(source)
    except EntriesError as error:
        report.add("error", "entries of the annotation file cannot be used", error.defects)
        return report
    except DataError as error:
        report.add("error", "the annotation file cannot be used", [str(error)])
        return report
    report.reading = reading
    content, image_root = reading.content, reading.image_root
    report.class_names = [c["name"] for c in sorted(content["categories"], key=lambda c: c["id"])]
    report.facts = [("annotations", str(source.path)), ("images", str(image_root))]
    report.facts += describe(content)
    for title, examples in reading.remarks.items():
        if title != MISSING:  # the images are looked at one by one below
            report.add("warning", title, examples)
    annotation_checks.check_ids(content, report)
    annotation_checks.check_boxes(content, report)
    annotation_checks.check_contents(content, report)
    if split_of(source.split or "") != "test":  # whose labels are often kept back
        annotation_checks.check_objects(content, report)
    annotation_checks.check_num_queries(content, num_queries, match_num, report, is_trained_on)
    check_division(source, report)
    check_balance(content, report, is_trained_on)
    if view is not None:
        check_scale(content, view, report)
    if source.format == "shards" and decode_images:
        check_shards(image_root, source.split, report)
    if image_root.is_dir():
        check_images(content["images"], image_root, decode_images, report)
    else:
        report.add("error", "the image folder does not exist", [str(image_root)])
    return report


def compare_classes(reports: list[Report], num_classes: int | None) -> list[Finding]:
    """Classes that differ between datasets, or from the model's number where that is known."""
    findings = []
    known = [report for report in reports if report.class_names]
    for report in known[1:]:
        if difference := _first_difference(known[0], report):
            title = (
                f"{known[0].name} and {report.name} have different classes; give both the same "
                "ones in the same order (categories by ascending id in COCO files, classes.txt)"
            )
            findings.append(Finding("error", title, [difference]))
    for report in known:
        if num_classes is not None and len(report.class_names) != num_classes:
            detail = f"{report.name}: add model.num_classes={len(report.class_names)}"
            title = f"model.num_classes={num_classes} does not fit the data"
            findings.append(Finding("error", title, [detail]))
    return findings


def _first_difference(first: Report, second: Report) -> str | None:
    for place, (name, other) in enumerate(zip_longest(first.class_names, second.class_names)):
        if name != other:
            texts = ["missing" if text is None else repr(text) for text in (name, other)]
            return f"class index {place} is {texts[0]} in {first.name}, {texts[1]} in {second.name}"
    return None
