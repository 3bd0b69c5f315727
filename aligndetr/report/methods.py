"""Several runs as methods: those whose configs differ in nothing but the seed belong together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from omegaconf import DictConfig

from aligndetr.config.difference import differences
from aligndetr.errors import UserError
from aligndetr.evaluation.comparison import Method
from aligndetr.report.reported_run import ReportedRun

OWN = ("train.seed", "train.output_dir", "dataloader.evaluator.output_dir")


@dataclass
class Group:
    """The runs of a method.

    Attributes:
        name: of the method.
        runs: at least one.
    """

    name: str
    runs: list[ReportedRun]

    def method(self) -> Method:
        """The method as `evaluation.comparison` takes it."""
        return Method(self.name, [run.listed for run in self.runs])

    def at_seed(self, seed: int | None) -> ReportedRun:
        """The run of a seed, or the first one."""
        return next((run for run in self.runs if run.listed.seed == seed), self.runs[0])


def name_runs(runs: Sequence[ReportedRun]) -> None:
    """Call each run by its path below the folder that all have in common.

    Raises:
        UserError: a folder is named twice.
    """
    paths = [run.listed.folder.resolve() for run in runs]
    if len(set(paths)) < len(paths):
        raise UserError("a folder is named twice; a report compares different runs")
    above = Path(os.path.commonpath([path.parent for path in paths]))
    for run, path in zip(runs, paths, strict=True):
        run.listed.name = path.relative_to(above).as_posix()


def group_runs(runs: Sequence[ReportedRun]) -> list[Group]:
    """Methods in the order of their first runs.

    Runs with the same config and the same seed are the same training: each is a method of its own.

    Args:
        runs: with names.
    """
    groups: list[list[ReportedRun]] = []
    for run in runs:
        same = (group for group in groups if _belongs(run, group))
        group = next(same, None)
        if group is None:
            groups.append([run])
        else:
            group.append(run)
    names = [_name([run.listed.name for run in group]) for group in groups]
    if len(set(names)) < len(names):
        names = [group[0].listed.name for group in groups]
    return [Group(name, group) for name, group in zip(names, groups, strict=True)]


def _belongs(run: ReportedRun, group: Sequence[ReportedRun]) -> bool:
    first, mine = group[0].listed.config, run.listed.config
    seeds = {other.listed.seed for other in group}
    if not first or not mine or run.listed.seed is None or run.listed.seed in seeds:
        return False
    return not differing(first, mine)


def differing(first: DictConfig, second: DictConfig) -> list[str]:
    """Keys that make two configs different methods."""
    return [each.key for each in differences(first, second) if each.key not in OWN]


def _name(names: Sequence[str]) -> str:
    """What the names begin with, without what numbers them."""
    if len(names) == 1:
        return names[0]
    common = _common_start(names).rstrip("0123456789").removesuffix("seed").rstrip("-_/.")
    return common or names[0]


def _common_start(names: Sequence[str]) -> str:
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in same)
