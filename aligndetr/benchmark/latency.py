"""Latency, throughput and memory of several subjects, in turns."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from aligndetr.benchmark.measure import alternate, peak_memory
from aligndetr.benchmark.subjects import Subject
from aligndetr.evaluation.report import text_table

MOST_NAME = 22


@dataclass(frozen=True)
class Latency:
    """What was measured of a subject with one size of batch.

    Attributes:
        name, runtime, precision: see `Subject`.
        batch, size: images at once, and their side in pixels.
        median_ms, p95_ms: of the runs; 95 % of them were not slower.
        images_per_s: batch / median.
        memory_mib: by which resident memory rises during a run, beside what the model holds.
        runs_ms: every run.
    """

    name: str
    runtime: str
    precision: str
    batch: int
    size: int
    median_ms: float
    p95_ms: float
    images_per_s: float
    memory_mib: float
    runs_ms: tuple[float, ...]

    def plain(self) -> dict[str, Any]:
        """As it goes into a file."""
        return asdict(self)


def measure(
    subjects: Sequence[Subject],
    batch: int,
    size: int,
    repeats: int,
    warm_up: int,
    memory: Callable[[Callable[[], object]], float] = peak_memory,
) -> list[Latency]:
    """Run all that take such images in turns, A B C A B C ...; see `alternate`.

    Args:
        subjects: those that do not take them are left out.
        batch, size: images at once, and their side in pixels.
        repeats: runs of each that count.
        warm_up: runs of each before, that do not.
        memory: measures one more run of each.
    """
    shape = (batch, 3, size, size)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    able = [subject for subject in subjects if subject.takes(batch, size)]
    runs = {str(index): partial(subject.run, images) for index, subject in enumerate(able)}
    times = alternate(runs, repeats, warm_up=warm_up)
    return [
        _summary(subject, batch, size, times[key], memory(runs[key]))
        for key, subject in zip(runs, able, strict=True)
    ]


def _summary(subject: Subject, batch: int, size: int, runs: list[float], memory: float) -> Latency:
    median = statistics.median(runs)
    return Latency(
        subject.name,
        subject.runtime,
        subject.precision,
        batch,
        size,
        median,
        percentile(runs, 0.95),
        1e3 * batch / median,
        memory,
        tuple(runs),
    )


def percentile(runs: Sequence[float], share: float) -> float:
    """The shortest of the times that at least this share of the runs did not exceed."""
    return sorted(runs)[max(0, math.ceil(share * len(runs)) - 1)]


def latency_table(found: Sequence[Latency]) -> list[str]:
    """A table of 80 columns."""
    names = ("batch", "median ms", "p95 ms", "images/s", "MiB")
    headings = [("model", "left"), ("in", "left"), *((name, "right") for name in names)]
    rows = [
        [
            _short(each.name),
            f"{each.runtime.split()[0]} {each.precision}".removesuffix(" file"),
            str(each.batch),
            f"{each.median_ms:.1f}",
            f"{each.p95_ms:.1f}",
            f"{each.images_per_s:.2f}" if each.images_per_s < 100 else f"{each.images_per_s:.0f}",
            f"{each.memory_mib:.0f}",
        ]
        for each in found
    ]
    return text_table(headings, rows)


def _short(name: str) -> str:
    """The end of a name, where names of files differ."""
    return name if len(name) <= MOST_NAME else f"…{name[1 - MOST_NAME :]}"
