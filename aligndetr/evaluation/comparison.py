"""Runs of several methods side by side: mean, spread, and differences at equal seeds."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aligndetr.errors import UserError
from aligndetr.evaluation.history import Series, read_metrics
from aligndetr.evaluation.run_files import CONFIG_FILE, METRICS_FILE


@dataclass
class Run:
    """One training run.

    Attributes:
        folder: its output folder.
        seed: `train.seed` of its config; None when the folder has no config.
        metrics: series by metric name.
    """

    folder: Path
    seed: int | None
    metrics: dict[str, Series]

    @property
    def iterations(self) -> int:
        """How many it trained, as far as it recorded them."""
        last = (int(iterations[-1]) for iterations, _ in self.metrics.values())
        return 1 + max(last, default=-1)

    def final(self, metric: str) -> float:
        """The last value, NaN when it was never recorded."""
        return float(self.metrics[metric][1][-1]) if metric in self.metrics else float("nan")


@dataclass
class Method:
    """Runs that differ in their seed only."""

    name: str
    runs: list[Run]

    def finals(self, metric: str) -> np.ndarray:
        """(R,) last values of the R runs that recorded the metric, those that are finite."""
        values = np.array([run.final(metric) for run in self.runs])
        return values[np.isfinite(values)]


@dataclass
class Difference:
    """A method minus the first one, at equal seeds.

    Attributes:
        seeds: those that both have; empty when runs cannot be paired.
        values: (R,) the differences, one a seed.
    """

    seeds: list[int]
    values: np.ndarray


def read_method(argument: str) -> Method:
    """Runs that one argument of the command names.

    Args:
        argument: a run's folder, a folder of runs, or a pattern such as `out/dino_seed*`;
            with `NAME=` before it, the name of the method, which is otherwise the text itself.

    Raises:
        UserError: no runs are there, or two of them have the same seed.
    """
    name, equals, pattern = argument.partition("=")
    if not equals or os.path.exists(argument):
        name = pattern = argument
    folders = [Path(path) for path in sorted(glob.glob(os.path.expanduser(pattern)))]
    found = [folder for folder in folders if (folder / METRICS_FILE).is_file()]
    if not found:
        found = [
            file.parent for folder in folders for file in sorted(folder.glob(f"*/{METRICS_FILE}"))
        ]
    if not found:
        raise UserError(f"{pattern}: no run there; a run's folder holds {METRICS_FILE}")
    runs = [Run(folder, _seed(folder), read_metrics(folder / METRICS_FILE)) for folder in found]
    seeds = [run.seed for run in runs if run.seed is not None]
    if len(set(seeds)) < len(seeds):
        raise UserError(f"{pattern}: several runs have the same seed ({sorted(seeds)}); "
                        "the runs of a method must differ in train.seed")  # fmt: skip
    return Method(name.rstrip("/"), runs)


def _seed(folder: Path) -> int | None:
    import yaml

    try:
        content = yaml.safe_load((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        return int(content["train"]["seed"])
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
        return None


def paired_difference(first: Method, other: Method, metric: str) -> Difference:
    """The last values of `other` minus those of `first`, seed by seed."""
    mine, theirs = ({run.seed: run.final(metric) for run in m.runs} for m in (first, other))
    seeds = sorted(seed for seed in mine.keys() & theirs.keys() if seed is not None)
    seeds = [seed for seed in seeds if np.isfinite([theirs[seed], mine[seed]]).all()]
    return Difference(seeds, np.array([theirs[seed] - mine[seed] for seed in seeds]))


def describe_lengths(methods: Sequence[Method]) -> str | None:
    """A sentence, if runs were trained for different numbers of iterations; else None."""
    lengths = {method.name: sorted({run.iterations for run in method.runs}) for method in methods}
    if len({length for found in lengths.values() for length in found}) == 1:
        return None
    told = "; ".join(
        f"{name} {found[0]}" + (f" to {found[-1]}" if len(found) > 1 else "")
        for name, found in lengths.items()
    )
    return (
        f"the runs differ in length (iterations: {told}), so that the numbers compare that, too: a "
        "longer training, or one that has not ended"
    )


def spread(values: np.ndarray) -> str:
    """Mean and sample standard deviation, such as `71.3 ± 0.4`; without one for a single value."""
    if not len(values):
        return "-"
    deviation = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
    return f"{values.mean():.2f}{deviation}"


def common_metrics(methods: Sequence[Method], prefixes: Sequence[str]) -> list[str]:
    """Metrics that any run has, of these tasks, without those of single classes."""
    names = {name: None for method in methods for run in method.runs for name in run.metrics}
    tasks = tuple(f"{prefix}/" for prefix in prefixes)
    return [name for name in names if name.startswith(tasks) and "-" not in name]
