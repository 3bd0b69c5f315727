"""A walk as one HTML page that folds, with nothing outside of it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from aligndetr.walk import wording
from aligndetr.walk.step import Item, Step, Value
from aligndetr.walk.walking import Walk

_STYLE = """
:root { color-scheme: light dark; --text: #1c2024; --quiet: #667079; --line: #d9dee3;
  --back: #ffffff; --shape: #0b6e4f; --time: #f2a65a; --memory: #6aa6e0; --bad: #c62828; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e7ea; --quiet: #98a2ab;
  --line: #39424a; --back: #16191c; --shape: #6fd3a8; --time: #b06f2c; --memory: #39689a;
  --bad: #ff8a80; } }
body { font: 14px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back);
  max-width: 76rem; margin: 1.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; } .legend span { display: inline-block; min-width: 11rem; }
.legend, .note, .kind { color: var(--quiet); } button { font: inherit; }
details { border-left: 1px solid var(--line); margin-left: .35rem; padding-left: .8rem; }
summary { display: flex; gap: .6rem; align-items: baseline; cursor: pointer; padding: .1rem 0; }
summary::before { content: "\\25B8"; color: var(--quiet); width: .8rem; flex: none; }
details[open] > summary::before { content: "\\25BE"; }
.name { font-weight: 600; } .brief { color: var(--shape); font-family: ui-monospace, monospace; }
.figures { margin-left: auto; display: flex; gap: .8rem; font-variant-numeric: tabular-nums; }
.figures span { text-align: right; width: 4.6rem; white-space: nowrap; }
.share { background: linear-gradient(to left, var(--bar) var(--part), transparent 0); }
.time { --bar: var(--time); } .memory { --bar: var(--memory); } .bad { color: var(--bad); }
table { border-collapse: collapse; margin: .2rem 0 .5rem 1.4rem; font-size: .92em; }
td { padding: 0 1.2rem 0 0; vertical-align: top; font-variant-numeric: tabular-nums; }
td.shape { color: var(--shape); font-family: ui-monospace, monospace; }
"""
_SCRIPT = """
for (const button of document.querySelectorAll("button")) button.onclick = () => {
  const depth = Number(button.dataset.depth);
  for (const step of document.querySelectorAll("details"))
    step.open = Number(step.dataset.depth) < depth; };
"""
_NOTE = (
    "Each step shows its parameters, its share of the time and of the written memory, all with "
    "everything inside it. Opened, it lists the tensors that it takes and gives."
)


def as_html(walk: Walk, title: str) -> str:
    """The page.

    Args:
        walk: what to tell.
        title: of the page, such as the config's name.
    """
    legend = "".join(f"<span>{escape(fact)}</span>" for fact in wording.legend(walk.letters))
    buttons = "".join(
        f'<button type="button" data-depth="{depth}">{label}</button> '
        for label, depth in {"fold": 1, "parts": 2, "layers": 3, "everything": 99}.items()
    )
    total = f"{wording.seconds(walk.root.seconds)}, {wording.memory(walk.root.num_bytes)} written"
    body = "\n".join(_step(walk.root, walk.root, 0))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<h1>{escape(title)}</h1>\n<p class="legend">{legend}</p>\n'
        f'<p class="note">{_NOTE} The whole: {total}.</p>\n<p>{buttons}</p>\n'
        f"{body}\n<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


def _step(step: Step, root: Step, depth: int) -> Iterator[str]:
    opened = " open" if depth < 1 or step.error else ""
    yield f'<details data-depth="{depth}"{opened}>'
    yield f"<summary>{_headline(step)}{_figures(step, root)}</summary>"
    if step.error:
        yield f'<p class="bad">{escape(step.error)}</p>'
    rows = [row for item in step.inputs for row in _rows("takes", item)]
    rows += _rows("gives", step.output) if step.output else []
    yield f"<table>{''.join(rows)}</table>"
    for child in step.children:
        yield from _step(child, root, depth + 1)
    yield "</details>"


def _headline(step: Step) -> str:
    call = f" call {step.call}" if step.call > 1 else ""
    values = step.output.values if step.output else []
    brief = wording.shape(values[0]) if len(values) == 1 else f"{len(values)} tensors"
    is_bad = step.error or any(value.not_finite for value in values)
    mark = ' <span class="bad">!</span>' if is_bad else ""
    return (
        f'<span class="name">{escape(step.name or "model")}</span>'
        f'<span class="kind">{escape(step.kind + call)}</span>'
        f'<span class="brief">{escape(brief)}</span>{mark}'
    )


def _figures(step: Step, root: Step) -> str:
    parameters = wording.count(step.num_parameters) if step.num_parameters else ""
    return (
        f'<span class="figures"><span title="parameters">{parameters}</span>'
        + _share("time", step.seconds, root.seconds, wording.seconds(step.seconds))
        + _share("memory", step.num_bytes, root.num_bytes, wording.memory(step.num_bytes))
        + "</span>"
    )


def _share(name: str, part: float, whole: float, title: str) -> str:
    percent = min(100 * part / whole, 100.0) if whole > 0 else 0.0
    return (
        f'<span class="share {name}" style="--part: {percent:.1f}%" title="{name}: {title}">'
        f"{wording.share(part, whole)}</span>"
    )


def _rows(direction: str, item: Item) -> list[str]:
    if not item.values:
        label = escape(f"{item.name} {item.kind}".strip())
        return [f'<tr><td class="kind">{direction}</td><td>{label}</td></tr>']
    return [_row(direction, item, value) for value in item.values]


def _row(direction: str, item: Item, value: Value) -> str:
    joint = "." if item.name and value.name and value.name[0] != "[" else ""
    sizes = " x ".join(map(str, value.shape))
    bad = ' class="bad"' if value.not_finite else ""
    return (
        f'<tr><td class="kind">{direction}</td><td>{escape(item.name + joint + value.name)}</td>'
        f'<td class="shape">{escape(wording.shape(value))}</td><td>{sizes}</td>'
        f"<td>{value.dtype}</td><td{bad}>{escape(wording.span(value))}</td></tr>"
    )
