"""What we aimed at, beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.step import BF16, FP32

OPERATOR = "encoder 640x640, {}, float32, 2 threads"
FUSION_AIM = 1.3
MIB_A_GB = 1e9 / 2**20

Found = dict[str, dict[str, Any] | None]
Goal = tuple[str, str, str, bool]  # what, aim, measured, whether it was reached


def goals(found: Found) -> list[Goal]:
    """Every goal whose measurement is there, in the order of the page."""
    results = {name: content["results"] for name, content in found.items() if content}
    reached: list[Goal] = []
    for name, judge in (
        ("step", _step),
        ("scaling", _growth),
        ("evaluation", _evaluator),
        ("msda", _operator),
    ):
        if name in results:
            reached += judge(results[name])
    return reached


def _at_least(what: str, aim: float, value: float) -> Goal:
    return what, f"at least {aim:g}x", f"{value:.2f}x", value >= aim


def _at_most(what: str, aim: float, value: float, unit: str, digits: int = 2) -> Goal:
    return what, f"at most {aim:g}{unit}", f"{value:.{digits}f}{unit}", value <= aim


def _by_name(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in rows}


def _step(results: dict[str, Any]) -> Iterator[Goal]:
    for phase, title in (("train", "training step"), ("eval", "evaluation")):
        rows = _by_name(results[phase])
        yield _at_least(f"{title}, fp32, over published ways", 2, rows[FP32]["speedup"])
        yield _at_least(f"{title}, bf16, over published ways", 3, rows[BF16]["speedup"])
    for label, aim in ((FP32, 3.0), (f"{FP32}, checkpointing", 1.8)):
        if peak := results.get("memory", {}).get(label):
            yield _at_most(f"peak memory, {label}", aim, peak["peak_mib"] / MIB_A_GB, " GB")


def _growth(results: dict[str, Any]) -> Iterator[Goal]:
    for key, aim, what in (("pixels", 4.2, "evaluation"), ("batch", 8.4, "training step, 256 px")):
        first, last = results[key][0], results[key][-1]
        title = f"{what}, {first['name']} to {last['name']}"
        yield _at_most(title, aim, 1 / last["speedup"], "x")


def _evaluator(results: dict[str, Any]) -> Iterator[Goal]:
    yield _at_least("COCO evaluation over pycocotools", 5, results["rows"][-1]["speedup"])


def _operator(results: dict[str, Any]) -> Iterator[Goal]:
    for phase, aim in (("forward", 18), ("forward + backward", 12)):
        rows = _by_name(results.get(OPERATOR.format(phase), []))
        if "operator, cpp" not in rows:
            continue
        yield _at_least(
            f"operator over grid_sample, {phase}", aim, rows["operator, cpp"]["speedup"]
        )
        for what, slow, fast in (
            ("softmax, locations and operator fused", "operator + softmax + locations", "fused"),
            ("whole attention module with the fused form", "module without fusion", "module"),
        ):
            ratio = rows[f"{slow}, cpp"]["median_ms"] / rows[f"{fast}, cpp"]["median_ms"]
            yield _at_least(f"{what}, {phase}", FUSION_AIM, ratio)
    if memory := results.get("peak extra memory, MiB"):
        share = memory["cpp"] / memory["reference"]
        yield _at_most("operator's extra memory, of grid_sample's", 0.125, share, "", 3)
