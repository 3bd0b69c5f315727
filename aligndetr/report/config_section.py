"""The section on a run's config: what it sets differently from the one that it began with."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from omegaconf import DictConfig

from aligndetr.config import LazyConfig, resolve_config
from aligndetr.config.difference import ABSENT, Difference, differences
from aligndetr.config.find_file import shipped_configs
from aligndetr.evaluation.run_files import CONFIG_FILE
from aligndetr.report.elements import Section, disclosed, note, table
from aligndetr.report.reported_run import ReportedRun
from aligndetr.visualization.html_page import Markup, element

MOST_TEXT, MOST_CELL = 200_000, 300


def config_section(run: ReportedRun, base: str | None = None) -> Section:
    """What differs from a base, and the whole file.

    Args:
        run: of which.
        base: name or file of the config that it is compared with; None takes the shipped config
            that the training's command names, if it does.
    """
    name = base or shipped_base(run)
    found = run.tried("No comparison of configs", lambda: _differing(name, run.listed.config))
    body = [note(f"Compared with {name}." if name else _unknown(run))]
    if found:
        rows = [[d.key, shown(d.first), shown(d.second)] for d in found]
        body.append(table(["key", str(name), "this run"], rows, "keys that differ"))
    elif found is not None and name:
        body.append(note("Nothing differs."))
    text = _file_text(run.listed.folder / CONFIG_FILE)
    if text:
        body.append(disclosed(f"The whole {CONFIG_FILE}", element("pre", text, tabindex="0")))
    return Section("config", "Config", body)


def shipped_base(run: ReportedRun) -> str | None:
    """The config that the training's command names, if it came with the package.

    A file of somebody's is not taken: a .py config is executed when it is read, and a run's folder
    may come from anywhere.
    """
    command = run.environment.get("command")
    try:
        words = shlex.split(command) if isinstance(command, str) else []
    except ValueError:
        return None
    known = {config.name for config in shipped_configs()}
    names = (Path(word).stem for word in words[1:])
    return next((name for name in names if name in known), None)


def _differing(name: str | None, config: DictConfig) -> list[Difference] | None:
    if name is None or not config:
        return None
    return differences(LazyConfig.read(resolve_config(name)), config)


def _unknown(run: ReportedRun) -> str:
    if not run.listed.config:
        return f"{CONFIG_FILE} is missing, or it cannot be read."
    return "Which config it began with is not known; --base NAME compares with one."


def shown(value: object) -> Markup | str:
    """A value of a config in a cell."""
    if value is ABSENT:
        return element("span", "absent", class_="soft")
    text = str(value)
    return text if len(text) <= MOST_CELL else f"{text[:MOST_CELL]}…"


def _file_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:MOST_TEXT]
    except OSError:
        return ""


def differing_keys(configs: Iterable[DictConfig]) -> list[str]:
    """Keys that are not the same in all configs, in the order of their first difference."""
    first, *others = configs
    return list(dict.fromkeys(d.key for other in others for d in differences(first, other)))
