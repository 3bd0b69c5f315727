"""A walk as one HTML page that folds."""

from __future__ import annotations

from pathlib import Path

from aligndetr.explanation import walk_formatting as formatting
from aligndetr.explanation.recorded_steps import Item, Step, Value
from aligndetr.explanation.walk_forward import Walk
from aligndetr.visualization.html_page import Markup, element, html_page

_NOTE = (
    "Each step shows its parameters, its share of the time and of the written memory, all with "
    "everything inside it. Opened, it lists the tensors that it takes and gives."
)
_BUTTONS = {"fold": 1, "parts": 2, "layers": 3, "everything": 99}


def walk_page(walk: Walk, title: str) -> str:
    """The page of a walk."""
    root, page = walk.root, Path(__file__)
    total = f"{formatting.seconds(root.seconds)}, {formatting.memory(root.num_bytes)} written"
    buttons = [
        element("button", label, type="button", data_depth=depth)
        for label, depth in _BUTTONS.items()
    ]
    return html_page(
        title,
        element("p", *(element("span", fact) for fact in formatting.legend(walk.letters)),
                class_="legend soft"),
        element("p", f"{_NOTE} The whole: {total}.", class_="soft"),
        element("p", *buttons, class_="depths"),
        _step(root, root, 0),
        style=page.with_suffix(".css").read_text(encoding="utf-8"),
        script=page.with_suffix(".js").read_text(encoding="utf-8"),
    )  # fmt: skip


def _step(step: Step, root: Step, depth: int) -> Markup:
    error = [element("p", step.error, class_="bad")] if step.error else []
    rows = [row for item in step.inputs for row in _rows("takes", item)]
    rows += _rows("gives", step.output) if step.output else []
    return element(
        "details",
        element("summary", *_headline(step), _figures(step, root)),
        *error,
        element("table", *rows),
        *(_step(child, root, depth + 1) for child in step.children),
        data_depth=depth,
        open=depth < 1 or bool(step.error),
    )


def _headline(step: Step) -> list[Markup]:
    call = f" call {step.call}" if step.call > 1 else ""
    values = step.output.values if step.output else []
    brief = formatting.shape(values[0]) if len(values) == 1 else f"{len(values)} tensors"
    is_bad = step.error or any(value.not_finite for value in values)
    return [
        element("span", step.name or "model", class_="name"),
        element("span", step.kind + call, class_="soft"),
        element("span", brief, class_="shape"),
        *[element("span", "!", class_="bad")] * bool(is_bad),
    ]


def _figures(step: Step, root: Step) -> Markup:
    parameters = formatting.count(step.num_parameters) if step.num_parameters else ""
    return element(
        "span",
        element("span", parameters, title="parameters"),
        _share("time", step.seconds, root.seconds, formatting.seconds(step.seconds)),
        _share("memory", step.num_bytes, root.num_bytes, formatting.memory(step.num_bytes)),
        class_="figures",
    )


def _share(name: str, part: float, whole: float, exact: str) -> Markup:
    percent = min(100 * part / whole, 100.0) if whole > 0 else 0.0
    style, title = f"--part: {percent:.1f}%", f"{name}: {exact}"
    return element(
        "span", formatting.share(part, whole), class_=f"share {name}", style=style, title=title
    )


def _rows(direction: str, item: Item) -> list[Markup]:
    head = element("td", direction, class_="soft")
    if not item.values:
        return [element("tr", head, element("td", f"{item.name} {item.kind}".strip()))]
    return [element("tr", head, *_cells(item, value)) for value in item.values]


def _cells(item: Item, value: Value) -> list[Markup]:
    joint = "." if item.name and value.name and value.name[0] != "[" else ""
    return [
        element("td", item.name + joint + value.name),
        element("td", formatting.shape(value), class_="shape"),
        element("td", " x ".join(map(str, value.shape))),
        element("td", value.dtype),
        element("td", formatting.span(value), class_="bad" if value.not_finite else None),
    ]
