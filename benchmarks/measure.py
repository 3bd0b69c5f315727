"""What was measured, as numbers in a file."""

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aligndetr.benchmark.measure import describe_machine
from aligndetr.files import atomic_write


def summarise(times: Mapping[str, list[float]], baseline: str) -> list[dict[str, Any]]:
    """Median, spread and the median of the ratios to the baseline's run of the same turn."""
    rows = []
    for name, runs in times.items():
        ratios = [base / own for base, own in zip(times[baseline], runs, strict=True)]
        rows.append(
            {
                "name": name,
                "median_ms": statistics.median(runs),
                "min_ms": min(runs),
                "max_ms": max(runs),
                "speedup": statistics.median(ratios),
            }
        )
    return rows


def write_json(path: str | Path, results: Any) -> None:
    """Write results together with the description of the machine."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        json.dump({"machine": describe_machine(), "results": results}, file, indent=1)
        file.write("\n")
