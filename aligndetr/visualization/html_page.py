"""The shell of every HTML page: one file that needs nothing else, light or dark as the reader is.

    html_page("A run", element("p", "AP < 1"), element("td", "3", class_="number"))

Text is escaped unless it is `Markup`, which only `element` and the author of a page make.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from typing import Any

# Colours that pages share; in the dark they change here, and nowhere else.
_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1f2933; --soft: #61707f;
  --line: #d8dee5; --panel: #f4f6f8; --hot: #e3edf8; --accent: #2f6fb0; --good: #0b6e4f;
  --bad: #c62828; --first: #f2a65a; --second: #6aa6e0; }
@media (prefers-color-scheme: dark) { :root { --paper: #15191e; --ink: #e6ebf0; --soft: #9aa7b4;
  --line: #343d47; --panel: #1e242b; --hot: #27384b; --accent: #3f82c6; --good: #6fd3a8;
  --bad: #ff8a80; --first: #b06f2c; --second: #39689a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem 1.25rem; max-width: 94rem; background: var(--paper);
  color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.25rem; margin: 0 0 .6rem; }
button { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line);
  border-radius: .4rem; padding: .2rem .7rem; cursor: pointer; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.soft { color: var(--soft); } .bad { color: var(--bad); }
"""
_VOID = {"meta", "img", "input", "br", "hr"}


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: Any) -> Markup:
    """An element with what is in it.

    Args:
        name: such as "td".
        children: text, which is escaped, or other elements.
        attributes: a trailing underscore is dropped (`class_`), others become dashes
            (`data_depth`); True stands alone, None and False leave it out.
    """
    told = "".join(
        f" {key.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    end = "" if name in _VOID else f"{joined(children)}</{name}>"
    return Markup(f"<{name}{told}>{end}")


def joined(children: Iterable[str]) -> Markup:
    """Texts and elements, one after the other."""
    return Markup("".join(c if isinstance(c, Markup) else escape(c) for c in children))


def html_page(title: str, *body: str, style: str = "", script: str = "", data: Any = None) -> str:
    """A whole page.

    Args:
        title: of the page, and its heading.
        body: texts and elements below the heading.
        style: CSS of this page; colours are the variables above (`var(--soft)`).
        script: JavaScript that runs when everything is there.
        data: for the script, as JSON in the element with the id "data".

    Raises:
        ValueError: a number in `data` is not finite.
    """
    # "<" could end the element that holds the data; in JSON it is only ever inside of texts.
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    content = element("script", Markup(text), type="application/json", id="data")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(_STYLE + style)),
    )
    tail = [content] * (data is not None) + [element("script", Markup(script))] * bool(script)
    page = element("html", head, element("body", element("h1", title), *body, *tail), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"
