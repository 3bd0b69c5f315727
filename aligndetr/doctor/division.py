"""How data are divided: into parts to learn from and to judge by, without images in common."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from aligndetr.data.formats import Source, recognise, sources_at
from aligndetr.data.formats.text_files import CLASSES_FILE, numbered_lines, split_of
from aligndetr.data.near_duplicates import close_pairs
from aligndetr.doctor.findings import Finding, Report
from aligndetr.errors import DataError


def check_division(source: Source, report: Report) -> None:
    """Note what a training says of a path at which nothing is divided into splits."""
    place = _place(source)
    if place is None or source.split is not None:
        return
    try:
        recognise(place, "val")
    except DataError as error:
        title = "dataset is not divided: a training that is given its path refuses it"
        report.add("warning", title, [str(error)])


def find_unions(sources: Sequence[Source]) -> dict[Source, list[Source]]:
    """Split lists that hold others and nothing else, such as VOC's trainval, with those others.

    One that is called train, val or test is none: what it shares with another one is a leak.
    """
    lists = {source: names for source in sources if (names := _listed_images(source))}
    found = {}
    for whole in (source for source in lists if split_of(source.split or "") is None):
        parts = [part for part in lists if lists[part] < lists[whole]]
        if lists[whole] == set().union(*(lists[part] for part in parts)):
            found[whole] = parts
    return found


def _listed_images(source: Source) -> set[str]:
    """Images that a split list of Pascal VOC names; none for anything else."""
    if source.format != "voc" or source.path.suffix != ".txt":
        return set()
    try:
        return {line.split()[0] for _, line in numbered_lines(source.path)}
    except DataError:
        return set()  # its examination says why


def find_leaks(reports: list[Report]) -> list[Finding]:
    """Images whose pixels are in two datasets, for example in training and validation."""
    findings = []
    for first, second in combinations(reports, 2):
        common = [digest for digest in second.fingerprints if digest in first.fingerprints]
        if common:
            lines = [f"{first.fingerprints[d]} = {second.fingerprints[d]}" for d in common]
            title = f"images are in both {first.name} and {second.name}"
            findings.append(Finding("warning", f"{title}; {_way_out(first, second)}", lines))
        if lines := _lookalikes(first, second):
            title = f"images of {first.name} look like images of {second.name} (the split leaks)"
            findings.append(Finding("warning", f"{title}; {_way_out(first, second)}", lines))
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


def _way_out(first: Report, second: Report) -> str:
    """Where to leave out images, and how to divide what is trained on anew."""
    learned, judged = (second, first) if _part(second) == "train" else (first, second)
    text = f"leave those of {learned.name} out"
    source = learned.source if _part(learned) == "train" else None
    place = _place(source) if source else None
    if source is None or place is None:
        return text
    command = _new_division(place, source, _part(judged) == "test")
    return f"{text}, or divide it anew, look-alikes together and without {judged.name}: `{command}`"


def _new_division(place: Path, source: Source, needs_test: bool) -> str:
    """The command that divides one split at a path as if there were no others."""
    shares = "--val 0.2 --test 0.1" if needs_test else "--val 0.2"
    path, before = str(place), ""
    if len(sources_at(place)) > 1:
        before = f"aligndetr convert-data {shlex.quote(path)} ALL --to coco && "
        path = f"ALL/{source.split}.json"
    return f"{before}aligndetr convert-data {shlex.quote(path)} NEW --to coco {shares}"


def _part(report: Report) -> str | None:
    """The dataset as train, val or test, where its split or its name says so."""
    split = report.source.split if report.source else None
    return split_of(split or report.name)


def _place(source: Source) -> Path | None:
    """The path that `sources_at` finds a dataset at; None for one with a name or folder given."""
    place = source.path.parent if source.path.name == CLASSES_FILE else source.path
    try:
        return place if source in sources_at(place) else None
    except DataError:
        return None
