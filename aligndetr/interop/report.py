"""What became of a checkpoint's tensors."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import dataclass, field

from aligndetr.errors import some

WIDTH = 80
SHOWN = 6
COLUMNS = ("loaded", "re-init", "missing", "unexpected", "shape")


@dataclass
class Report:
    """The outcome of loading a checkpoint; `print(report)` fits 80 columns.

    Attributes:
        path: the file.
        source: what it was recognised as.
        loaded: our names whose values come from the file.
        reinitialised: class heads and label embeddings with rows that stay as the model made them.
        copied_classes: of the model, whose rows are found in the file by their names.
        missing: our names that the file has nothing for.
        unexpected: names of the file that the model has nothing for.
        mismatched: our names with another shape in the file -> "(their shape) in the checkpoint".
        notes: what else was done or should be known.
        new_classes: of the model, that the file does not name: their rows stay as they were made.
        dropped_classes: of the file, that the model does not name.
    """

    path: str
    source: str
    loaded: list[str] = field(default_factory=list)
    reinitialised: list[str] = field(default_factory=list)
    copied_classes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    new_classes: list[str] = field(default_factory=list)
    dropped_classes: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Every tensor of the file went into the model, and every one of the model was filled."""
        changed = self.reinitialised or self.dropped_classes
        return not (changed or self.missing or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        lines = [f"checkpoint  {self.path}", f"source      {self.source}", *self._table()]
        lines += _listing("class rows copied by name", self.copied_classes)
        lines += _listing("class rows of new classes", self.new_classes)
        lines += _listing("class rows left out", self.dropped_classes)
        partly = "partly " if self.copied_classes else ""
        lines += _listing(f"{partly}re-initialised", self.reinitialised)
        lines += _listing("missing", self.missing)
        lines += _listing("unexpected", self.unexpected)
        lines += _listing("shape", [f"{name} {why}" for name, why in self.mismatched.items()])
        for note in self.notes:
            lines += textwrap.wrap(f"note: {note}", WIDTH, subsequent_indent="  ")
        return "\n".join(lines)

    def _table(self) -> list[str]:
        kinds = (self.loaded, self.reinitialised, self.missing, self.unexpected, self.mismatched)
        counts = [Counter(name.split(".")[0] for name in names) for names in kinds]
        modules = list(dict.fromkeys(module for counter in counts for module in counter))
        rows = [(module, [counter[module] for counter in counts]) for module in modules]
        if len(rows) > 1:
            rows.append(("total", [counter.total() for counter in counts]))
        head = f"{'module':<20}" + "".join(f"{column:>12}" for column in COLUMNS)
        return [head] + [f"{m[:19]:<20}" + "".join(f"{n:>12}" for n in row) for m, row in rows]


def _listing(title: str, names: list[str]) -> list[str]:
    if not names:
        return []
    text = f"{title} ({len(names)}): {some(names, SHOWN)}"
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
