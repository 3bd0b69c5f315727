"""One HTML page in which layers and queries can be chosen."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from aligndetr.explanation.inspection import Inspection, LayerView
from aligndetr.runtime.drawing.palette import class_color, hex_color
from aligndetr.visualization.curves import COLORS
from aligndetr.visualization.html_page import Markup, html_page

LONGEST_SIDE = 1000  # pixels of the embedded image


def inspection_page(inspection: Inspection, title: str, query: int | None = None) -> str:
    """The page.

    Sampling points are included for queries that answer for a thing in some layer, and for
    `query`.

    Args:
        inspection: of an image.
        title: heading.
        query: chosen when the page opens; None chooses `inspection.favourite()`.
    """
    body, style, script = (
        Path(__file__).with_suffix(suffix).read_text(encoding="utf-8")
        for suffix in (".html", ".css", ".js")
    )
    query = inspection.favourite() if query is None else query
    content = page_content(inspection, query)
    return html_page(title, Markup(body), style=style, script=script, data=content)


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
            {"name": t.name, "box": _rounded(t.box), "color": hex_color(class_color(index))}
            for index, t in enumerate(inspection.things)
        ],
        "layers": [_layer_content(layer, queries) for layer in inspection.layers],
    }


def _layer_content(layer: LayerView, queries: set[int]) -> dict[str, Any]:
    """A layer with its pairs, and with boxes and points of some queries."""
    shown = {pair.query for pair in layer.pairs} | (queries if layer.index else set())
    references, sampling = layer.references, layer.sampling
    points = None
    if sampling is not None:  # (Q, H, L, P * 3): x, y, weight, x, y, weight, ...
        points = np.concatenate([sampling.points, sampling.weights[..., None]], -1).reshape(
            *sampling.weights.shape[:3], -1
        )
    return {
        "name": layer.name,
        "k": layer.most_queries,
        "iou": layer.mean_iou,
        "pairs": [
            {name: round(v, 4) if isinstance(v, float) else v for name, v in vars(pair).items()}
            for pair in layer.pairs
        ],
        "boxes": _rows(layer.boxes, shown),
        "references": _rows(references, shown),
        "sampling": _rows(points, queries),
    }


def _rows(values: np.ndarray | None, queries: set[int]) -> dict[int, Any] | None:
    return None if values is None else {q: _rounded(values[q]) for q in sorted(queries)}


def _rounded(values: np.ndarray) -> list:
    return np.nan_to_num(values).round(4).tolist()


def _data_uri(image: np.ndarray) -> str:
    picture = Image.fromarray(image)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
