"""Pieces of HTML that sections are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aligndetr.visualization.html_page import Markup, element, joined


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        id: that links lead to.
        title: its heading, and its name in the list of sections.
        body: what is below the heading.
        data: what the script draws in it, by the name that the script knows.
    """

    id: str
    title: str
    body: Sequence[str]
    data: Mapping[str, Any] = field(default_factory=dict)

    def markup(self) -> Markup:
        """The section as HTML."""
        heading = element("h2", self.title, id=f"{self.id}-title")
        return element(
            "section", heading, *self.body, id=self.id, aria_labelledby=f"{self.id}-title"
        )


def navigation(sections: Sequence[Section]) -> Markup:
    """Links to all sections."""
    links = [element("a", section.title, href=f"#{section.id}") for section in sections]
    return element("nav", *links, aria_label="sections")


def note(text: str) -> Markup:
    """A sentence of explanation."""
    return element("p", text, class_="soft")


def chart(identity: str, label: str, tall: bool = False) -> Markup:
    """Where the script draws a chart; `label` says in words what it shows."""
    kind = "chart tall" if tall else "chart"
    return element("div", id=f"chart-{identity}", class_=kind, role="img", aria_label=label)


def facts(rows: Mapping[str, str | None]) -> Markup:
    """Names and what they are; what is None is left out."""
    told = [
        element("div", element("dt", name), element("dd", value))
        for name, value in rows.items()
        if value
    ]
    return element("dl", *told, class_="facts")


def table(
    headings: Sequence[str], rows: Sequence[Sequence[Any]], label: str, identity: str | None = None
) -> Markup:
    """A table that the reader can sort; numbers to the right, the first column names the row.

    Args:
        headings: of the columns.
        rows: of cells: text, elements, `Number`, or None where there is nothing.
        label: what it is a table of.
        identity: its id.
    """
    numeric = [any(isinstance(row[i], Number) for row in rows) for i in range(len(headings))]
    head = [
        element(
            "th",
            element("button", name, type="button"),
            scope="col",
            aria_sort="none",
            class_="number" if is_number else None,
        )
        for name, is_number in zip(headings, numeric, strict=True)
    ]
    body = [element("tr", _cell(row[0], "th"), *map(_cell, row[1:])) for row in rows]
    made = element(
        "table",
        element("caption", label, class_="hidden"),
        element("thead", element("tr", *head)),
        element("tbody", *body),
        class_="sortable",
        id=identity,
    )
    return element("div", made, class_="scroll", tabindex="0", role="group", aria_label=label)


@dataclass(frozen=True)
class Number:
    """A number in a table.

    Attributes:
        value: to sort by; NaN and None come last.
        text: that is shown.
    """

    value: float | None
    text: str


def number(value: float | None, digits: int = 1, suffix: str = "") -> Number:
    """Rounded, "-" where there is none."""
    if value is None or not math.isfinite(value):
        return Number(None, "–")
    return Number(float(value), f"{value:.{digits}f}{suffix}")


def _cell(value: Any, name: str = "td") -> Markup:
    scope = "row" if name == "th" else None
    if isinstance(value, Number):
        return element(name, value.text, class_="number", data_value=_plain(value.value))
    return element(name, *([] if value is None else [value]), scope=scope)


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.8g}"


def disclosed(summary: str, *children: str) -> Markup:
    """What is shown on demand."""
    return element("details", element("summary", summary), *children)


def row_of(*children: str) -> Markup:
    """Side by side where there is room."""
    return element("div", joined(children), class_="columns")
