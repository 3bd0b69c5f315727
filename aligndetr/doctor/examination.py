"""Examine datasets, one by one and side by side: what is wrong, how often, and where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aligndetr.data.entries import EntriesError
from aligndetr.data.formats import Source, read
from aligndetr.data.near_duplicates import close_pairs
from aligndetr.doctor import annotation_checks
from aligndetr.doctor.advice import View, check_balance, check_scale
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
    """
    report = Report(name)
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
        report.add("warning", title, examples)
    annotation_checks.check_ids(content, report)
    annotation_checks.check_boxes(content, report)
    annotation_checks.check_contents(content, report)
    annotation_checks.check_num_queries(content, num_queries, match_num, report)
    check_balance(content, report)
    if view is not None:
        check_scale(content, view, report)
    if source.format == "shards" and decode_images:
        check_shards(image_root, source.split, report)
    if image_root.is_dir():
        check_images(content["images"], image_root, decode_images, report)
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
            if lines := _lookalikes(first, second):
                title = f"images of {first.name} look like images of {second.name}"
                findings.append(Finding("warning", f"{title} (the split leaks)", lines))
    return findings


def _lookalikes(first: Report, second: Report) -> list[str]:
    """Pairs that look alike without having the same pixels, which is reported anyway."""
    files = list(first.looks), list(second.looks)
    if not all(files):
        return []
    hashes = [np.array(list(report.looks.values())) for report in (first, second)]
    digests = [{file: d for d, file in r.fingerprints.items()} for r in (first, second)]
    pairs = [(files[0][i], files[1][j]) for i, j in close_pairs(*hashes)]
    return [f"{a} ~ {b}" for a, b in pairs if digests[0].get(a) != digests[1].get(b)]


def compare_classes(reports: list[Report], num_classes: int | None) -> list[Finding]:
    """Classes that differ between datasets, or from the model's number where that is known."""
    findings = []
    known = [report for report in reports if report.class_names]
    for report in known[1:]:
        if report.class_names != known[0].class_names:
            detail = f"{known[0].class_names} and {report.class_names}"
            title = f"{known[0].name} and {report.name} have different classes"
            findings.append(Finding("warning" if num_classes is None else "error", title, [detail]))
    for report in known:
        if num_classes is not None and len(report.class_names) != num_classes:
            detail = f"{report.name}: add model.num_classes={len(report.class_names)}"
            title = f"model.num_classes={num_classes} does not fit the data"
            findings.append(Finding("error", title, [detail]))
    return findings
