"""Numbers as people read them."""

from __future__ import annotations

from aligndetr.explanation.recorded_steps import Item, Value
from aligndetr.explanation.walk_shape_letters import MEANINGS, Letters


def shape(value: Value) -> str:
    """Such as "(B, S, C)"; "scalar" for no dimensions."""
    letters = value.letters or tuple(map(str, value.shape))
    return f"({', '.join(letters)}{',' * (len(letters) == 1)})" if letters else "scalar"


def span(value: Value) -> str:
    """Such as "-2.1 .. 3", "0.5" for a single value, with a warning of what is not finite."""
    parts = []
    if value.minimum is not None and value.maximum is not None:
        low, high = rounded(value.minimum), rounded(value.maximum)
        parts.append(low if low == high else f"{low} .. {high}")
        if value.dtype == "bool":
            parts = [f"{bool(value.minimum)}" if low == high else "False, True"]
    if value.not_finite:
        parts.append(f"! {value.not_finite} not finite")
    return " ".join(parts)


def rounded(figure: float) -> str:
    """Three significant digits."""
    if float(figure).is_integer() and abs(figure) < 1e5:
        return str(int(figure))
    return f"{figure:.3g}"


def count(figure: float) -> str:
    """Such as "23.5 M"."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if figure >= size:
            return f"{figure / size:.3g} {unit}"
    return str(int(figure))


def seconds(figure: float) -> str:
    """Such as "1.2 s" or "48 ms"."""
    return f"{figure:.3g} s" if figure >= 1 else f"{1000 * figure:.3g} ms"


def memory(num_bytes: int) -> str:
    """Such as "25.3 MB"."""
    return f"{count(num_bytes)}B" if num_bytes >= 1000 else f"{num_bytes} B"


def share(part: float, whole: float) -> str:
    """Percentage."""
    if part <= 0 or whole <= 0:
        return ""
    percent = 100 * part / whole
    return "<1%" if percent < 0.5 else f"{percent:.0f}%"


def argument(item: Item) -> list[str]:
    """An argument with its shape, or, where it is an object, its class; nothing without tensors.

    Returns:
        Pieces between which a line may break.
    """
    if not item.values:
        return []
    if item.kind == "Tensor":
        return [f"{item.name} {shape(item.values[0])}"]
    if len(item.values) <= 4 and item.kind.startswith(("list", "tuple", "dict")):
        pieces = [f"{value.name} {shape(value)}".strip() for value in item.values]
        return [f"{item.name}: {pieces[0]}", *pieces[1:]]
    return [f"{item.name}: {item.kind}"]


def legend(letters: Letters) -> list[str]:
    """What the letters of a walk stand for."""
    lines = []
    for letter, size in letters.sizes.items():
        base, _, number = letter.partition("_")
        if base in MEANINGS and "W" not in letter:
            image = f" in image {number}" if number else ""
            lines.append((list(MEANINGS).index(base), f"{letter} = {size} {MEANINGS[base]}{image}"))
    shown = [text for _, text in sorted(lines, key=lambda line: line[0])]
    for (height, width), (h, w) in letters.maps.items():
        if "/" not in height:
            shown.append(f"{height} x {width} = {h} x {w}")
    return shown
