"""One HTML file in which layers and queries can be chosen; it needs nothing but itself."""

from __future__ import annotations

import base64
import html
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from aligndetr.files import atomic_write
from aligndetr.inspection.content import Inspection, LayerView
from aligndetr.visualization.curves import COLORS
from aligndetr.visualization.palette import class_color, text_color

TEMPLATE = Path(__file__).with_name("page.html")
LONGEST_SIDE = 1000  # pixels of the embedded image


def write_page(
    inspection: Inspection, path: str | os.PathLike, title: str, query: int | None = None
) -> None:
    """Write the viewer.

    Sampling points are included for queries that answer for a thing in some layer, and for
    `query`.

    Args:
        inspection: of an image.
        path: written whole or not at all.
        title: heading.
        query: chosen when the page opens; None chooses `inspection.favourite()`.
    """
    query = inspection.favourite() if query is None else query
    content = page_content(inspection, query)
    # "</script>" inside a string would end the element that holds it.
    data = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    page = TEMPLATE.read_text(encoding="utf-8")
    for mark, value in (("@TITLE@", html.escape(title)), ("@DATA@", data)):
        page = page.replace(mark, value)
    with atomic_write(path) as file:
        file.write(page)


def page_content(inspection: Inspection, query: int | None) -> dict[str, Any]:
    """What the page shows, as JSON; coordinates are normalised to the image."""
    height, width = inspection.image.shape[:2]
    queries = {p.query for layer in inspection.sampled for p in layer.pairs}
    queries |= set() if query is None else {query}
    return {
        "width": width,
        "height": height,
        "image": _data_uri(inspection.image),
        "truth": inspection.has_truth,
        "notes": inspection.notes,
        "query": query,
        "levels": [
            {"name": f"level {i}, {h}×{w}", "color": COLORS[i % len(COLORS)]}
            for i, (h, w) in enumerate(inspection.shapes)
        ],
        "things": [
            {
                "name": thing.name,
                "box": _rounded(thing.box),
                "color": _hex(class_color(index)),
                "ink": _hex(text_color(class_color(index))),
            }
            for index, thing in enumerate(inspection.things)
        ],
        "layers": [_layer_content(layer, sorted(queries)) for layer in inspection.layers],
    }


def _layer_content(layer: LayerView, queries: list[int]) -> dict[str, Any]:
    """A layer with its pairs, and with boxes and points of some queries."""
    shown = {pair.query for pair in layer.pairs} | (set(queries) if layer.index else set())
    references, sampling = layer.references, layer.sampling
    return {
        "name": layer.name,
        "k": layer.most_queries,
        "pairs": [
            {name: _number(value) for name, value in vars(pair).items()} for pair in layer.pairs
        ],
        "boxes": {q: _rounded(layer.boxes[q]) for q in sorted(shown)},
        "references": None
        if references is None
        else {q: _rounded(references[q]) for q in sorted(shown)},
        "sampling": None
        if sampling is None
        else {q: _points(sampling.points[q], sampling.weights[q]) for q in queries},
    }


def _points(points: np.ndarray, weights: np.ndarray) -> list[list[list[float]]]:
    """H lists of L lists of x, y, weight, x, y, weight, ..."""
    both = np.concatenate([points, weights[..., None]], axis=-1)  # (H, L, P, 3)
    return np.nan_to_num(both).round(4).reshape(*both.shape[:2], -1).tolist()


def _rounded(values: np.ndarray) -> list[float]:
    return np.nan_to_num(values).round(4).tolist()


def _number(value: float | None) -> float | None:
    return round(value, 4) if isinstance(value, float) else value


def _hex(color: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _data_uri(image: np.ndarray) -> str:
    from PIL import Image

    picture = Image.fromarray(image)
    if max(picture.size) > LONGEST_SIDE:
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
