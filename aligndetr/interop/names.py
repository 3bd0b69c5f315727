"""Translation of parameter names by tables of templates that are read in both directions.

A template is a name with holes: `{i}` and other single letters stand for a number, longer words
such as `{rest}` for anything. A table is a list of pairs (their template, our template) with the
same holes; the first pair that fits decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

Pair = tuple[str, str]


@lru_cache(maxsize=4096)
def _pattern(template: str) -> re.Pattern:
    parts = re.split(r"\{(\w+)\}", template)
    pattern = re.escape(parts[0])
    for hole, text in zip(parts[1::2], parts[2::2], strict=True):
        pattern += f"(?P<{hole}>{r'[0-9]+' if len(hole) == 1 else '.+'})" + re.escape(text)
    return re.compile(pattern)


def fits(name: str, template: str) -> bool:
    """Tell whether the template describes the whole name."""
    return _pattern(template).fullmatch(name) is not None


def fits_any(name: str, templates: Iterable[str]) -> bool:
    """Tell whether one of the templates describes the whole name."""
    return any(fits(name, template) for template in templates)


def translate(name: str, template: str, into: str) -> str | None:
    """Rewrite a name that fits `template` as `into`; None if it does not fit."""
    match = _pattern(template).fullmatch(name)
    return into.format(**match.groupdict()) if match else None


def to_ours(name: str, table: Sequence[Pair]) -> str | None:
    """Translate their name to ours, or None if the table does not know it."""
    return next((into for pair in table if (into := translate(name, *pair)) is not None), None)


def to_theirs(name: str, table: Sequence[Pair]) -> str | None:
    """Translate our name to theirs, or None if the table does not know it."""
    return to_ours(name, [(ours, theirs) for theirs, ours in table])


def count(names: Iterable[str], *templates: str) -> int:
    """One more than the largest number `{i}` in the names that fit a template; 0 if none does."""
    matches = (_pattern(template).fullmatch(name) for name in names for template in templates)
    return max((int(match["i"]) + 1 for match in matches if match), default=0)


def with_prefix(table: Sequence[Pair], theirs: str, ours: str) -> list[Pair]:
    """Return the table with a text put before every template of each side."""
    return [(theirs + left, ours + right) for left, right in table]


def layers(
    encoder: Sequence[Pair], decoder: Sequence[Pair], theirs: str = "transformer."
) -> list[Pair]:
    """Return the tables of an encoder's and a decoder's layer under the names of the whole."""
    places = ((encoder, "encoder.layers.{i}."), (decoder, "decoder.layers.{i}."))
    return [pair for table, ours in places for pair in with_prefix(table, theirs + ours, ours)]
