"""What can be wrong with shards; findings are noted in a report."""

from __future__ import annotations

from pathlib import Path

from aligndetr.data.shards.mirroring import is_mirror
from aligndetr.data.shards.sums import SUMS_FILE, read_sums
from aligndetr.doctor.findings import Report
from aligndetr.errors import DataError
from aligndetr.files import sha256_of


def check_shards(folder: Path, split: str | None, report: Report) -> None:
    """Missing shards, and those that are not what was written; of a mirror only what is there.

    Args:
        folder: of the tar files; without `SHA256SUMS` in it nothing is checked.
        split: whose shards; None: of undivided data.
        report: takes the findings, and how many shards there are.
    """
    if not (folder / SUMS_FILE).is_file():
        return
    try:
        sums = read_sums(folder)
    except DataError as error:
        report.add("error", "the list of shards cannot be read", [str(error)])
        return
    expected = {n: d for n, d in sums.items() if n.rpartition("-")[0] == (split or "all")}
    there = [name for name in expected if (folder / name).is_file()]
    gigabytes = sum((folder / name).stat().st_size for name in there) / 1e9
    report.facts.append(("shards", f"{len(expected)}, {len(there)} here with {gigabytes:.1f} GB"))
    if not is_mirror(folder):
        report.add("error", "shards are missing", sorted(expected.keys() - there))
    changed = [name for name in there if sha256_of(folder / name) != expected[name]]
    report.add("error", "shards are damaged: they have another SHA-256", changed)
