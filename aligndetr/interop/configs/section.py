"""Reading a foreign config so that nothing in it is overlooked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aligndetr.errors import ConfigError

REQUIRED = object()


@dataclass
class Report:
    """What a translated config (the file `source`) does not take over, or takes over otherwise."""

    source: str
    lines: list[str] = field(default_factory=list)

    def add(self, path: str, text: str) -> None:
        """Say something about a key."""
        self.lines.append(f"{path}: {text}")

    def __str__(self) -> str:
        lines = "".join(f"\n  {line}" for line in self.lines)
        return f"{self.source} is written for detrex; read as ours.{lines}"


class Section:
    """A dict of a foreign config, emptied while it is read.

    Args:
        values: plain data, interpolations resolved; `_target_` is kept apart.
        path: where it is in the config.
        report: takes what was not read.
    """

    def __init__(self, values: dict[str, Any], path: str, report: Report) -> None:
        self.values = dict(values)
        self.target = self.values.pop("_target_", None)
        self.path = path
        self.report = report

    @property
    def kind(self) -> str:
        """The last part of the target's name."""
        name = self.target if isinstance(self.target, str) else ""
        return name.rpartition(".")[2]

    def take(self, key: str, default: Any = REQUIRED) -> Any:
        """Read a value once.

        Raises:
            ConfigError: it is not there and has no default.
        """
        if key in self.values:
            return self.values.pop(key)
        if default is REQUIRED:
            raise ConfigError(f"{self.path}.{key} is missing in a config of this kind")
        return default

    def number(self, key: str, default: Any = REQUIRED) -> float:
        """Read a real number; written as an integer it still is one, also for later overrides."""
        return float(self.take(key, default))

    def section(self, key: str) -> Section:
        """Read a dict; an absent one is empty."""
        values = self.take(key, None) or {}
        if not isinstance(values, dict):
            raise ConfigError(f"{self.path}.{key} must be a section, not {values!r}")
        return Section(values, f"{self.path}.{key}", self.report)

    def demand(self, key: str, expected: Any, why: str) -> None:
        """Read a value that can only be one.

        Raises:
            ConfigError: it is another.
        """
        value = self.take(key, expected)
        if value != expected:
            raise ConfigError(f"{self.path}.{key} is {value!r}, {why}; it must be {expected!r}")

    def drop(self, key: str, why: str) -> None:
        """Report a value that has no meaning here, if it is there."""
        if key in self.values:
            self.report.add(f"{self.path}.{key}", f"{self.values.pop(key)!r} not used, {why}")

    def finish(self) -> None:
        """Report what was never read."""
        for key, item in self.values.items():
            for path, value in _leaves(item, f"{self.path}.{key}"):
                self.report.add(path, f"{value!r} not used, there is no counterpart")


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}")
    else:
        yield path, value
