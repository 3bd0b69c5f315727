"""What the sizes of tensors mean: `(2, 1360, 256)` is `(B, S, C)`.

A size gets a letter only where nothing else in this walk could have the same size in the same
place; otherwise it stays a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from torch import nn

from aligndetr.explanation.recorded_steps import Step

MEANINGS = {
    "B": "images",
    "C": "channels",
    "L": "levels",
    "S": "tokens",
    "Q": "queries",
    "D": "denoising queries",
    "I": "decoder layers",
    "K": "classes",
    "G": "objects",
    "H": "height",
    "W": "width",
}
_SEQUENCES = ("S", "Q", "D", "D+Q")
_RULED = re.compile(r"[BCLQSDIK]|[IKD]\+[1Q]|G(_\d+)?|B\*.+|H_\d+W_\d+")
_STRIDES = (2, 4, 8, 16, 32, 64)
_COORDINATES = (2, 4)  # of points and boxes; sizes up to this are too common to tell by size alone

Maps = dict[tuple[str, str], tuple[int, int]]


@dataclass
class Letters:
    """Letters of one walk.

    Attributes:
        sizes: letter, or expression of letters such as "D+Q", -> size. Where a letter of the
            list in `MEANINGS` may stand follows from how this toolbox uses it; any other may
            stand everywhere.
        maps: name of height and width -> both, such as ("H_1", "W_1"): (32, 40).
        without_channels: paths whose tensors have channels of their own, where C and other
            letters mean nothing; only B, heights and widths do.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    maps: Maps = field(default_factory=dict)
    without_channels: tuple[str, ...] = ()

    def name(self, shape: tuple[int, ...], source: str = "") -> tuple[str, ...]:
        """Letters for the sizes of a tensor, numbers where none is certain.

        Args:
            shape: of the tensor.
            source: path of the step that gave it.
        """
        is_foreign = any(source == p or source.startswith(f"{p}.") for p in self.without_channels)
        known = {"B": self.sizes.get("B", 0)} if is_foreign else self.sizes
        candidates = [
            {n for n, size in known.items() if size == own > 1 and self._may_stand(n, place, shape)}
            for place, own in enumerate(shape)
        ]
        places = [  # heights beside widths, behind another dimension
            (names, place)
            for place in range(1, len(shape) - 1)
            for names, sizes in self.maps.items()
            if shape[place : place + 2] == sizes and min(sizes) > 1
        ]
        for names, place in places:
            candidates[place].add(names[0])
            candidates[place + 1].add(names[1])
        for _, place in places:  # a height without its width may be something else, and vice versa
            if len(candidates[place]) > 1 or len(candidates[place + 1]) > 1:
                candidates[place].add("?")
                candidates[place + 1].add("?")
        return tuple(
            next(iter(found)) if len(found) == 1 else str(size)
            for found, size in zip(candidates, shape, strict=True)
        )

    def _may_stand(self, letter: str, place: int, shape: tuple[int, ...]) -> bool:
        """Whether a letter may be what is meant in this place of a shape."""
        if not _RULED.fullmatch(letter):
            return True  # a letter of the caller's own
        if len(shape) == 1 and shape[0] <= max(_COORDINATES):
            return False
        kind = "G" if letter.startswith("G") else "*" if "*" in letter else letter
        rule = {
            "B": self._may_be_images,
            "L": self._may_be_levels,
            "G": self._may_be_objects,
            **dict.fromkeys(("I", "I+1"), self._may_be_layers),
            **dict.fromkeys(("K", "K+1"), self._may_be_classes),
            "*": self._may_be_rows,
            "C": self._may_be_channels,
        }
        return rule.get(kind, self._may_be_sequence)(place, shape)

    def _may_be_images(self, place: int, shape: tuple[int, ...]) -> bool:
        has_layers = shape[0] == 1 or self._is_any(shape[0], ("I", "I+1"))
        return place == 0 or (place == 1 and len(shape) >= 4 and has_layers)

    def _may_be_layers(self, place: int, shape: tuple[int, ...]) -> bool:
        has_images = len(shape) >= 3 and self._is_any(shape[1], ("B", *_SEQUENCES))
        return place == 0 and (len(shape) == 1 or has_images)

    def _may_be_levels(self, place: int, shape: tuple[int, ...]) -> bool:
        is_before_end = place == len(shape) - 2 and place > 0
        is_embedding = len(shape) == 2 and self._is_any(shape[1], ("C",))
        return is_embedding or (is_before_end and shape[-1] in _COORDINATES)

    def _may_be_objects(self, place: int, shape: tuple[int, ...]) -> bool:
        is_last = place == len(shape) - 1 > 0
        is_cost = is_last and self._is_any(shape[place - 1], _SEQUENCES)
        return is_cost or (place == 0 and len(shape) <= 2)

    def _may_be_rows(self, place: int, shape: tuple[int, ...]) -> bool:
        return place == 0 and len(shape) == 2

    def _may_be_classes(self, place: int, shape: tuple[int, ...]) -> bool:
        if shape[place] <= max(_COORDINATES) or not place == len(shape) - 1 > 0:
            return False
        return len(shape) == 2 or self._is_any(shape[-2], _SEQUENCES)

    def _may_be_channels(self, place: int, shape: tuple[int, ...]) -> bool:
        return shape[place] > max(_COORDINATES) and place > 0

    def _may_be_sequence(self, place: int, shape: tuple[int, ...]) -> bool:
        if shape[place] <= max(_COORDINATES):
            return False
        if place == 0:  # rows may be anything that is chosen; but of masks we know
            return len(shape) == 2 and self._is_any(shape[1], _SEQUENCES)
        is_last = place == len(shape) - 1
        return not is_last or len(shape) == 2 or shape[place - 1] in (1, shape[place])

    def _is_any(self, size: int, letters: tuple[str, ...]) -> bool:
        return any(self.sizes.get(letter) == size for letter in letters)


def find_letters(model: nn.Module, root: Step) -> Letters:
    """What a detector says of itself, what its batch holds, and what its parts gave.

    Other modules have fewer of the attributes and parts, or none, and so fewer letters.

    Args:
        model: with `embed_dim`, `num_classes`, `num_queries` and `decoder`.
        root: its step.
    """
    attributes = {"C": "embed_dim", "K": "num_classes", "Q": "num_queries"}
    stated = {letter: getattr(model, name, None) for letter, name in attributes.items()}
    sizes = {letter: size for letter, size in stated.items() if isinstance(size, int)}
    found = {step.path: step for step in root.steps() if step.output is not None}
    maps = _of_batch(sizes, root)
    _add_levels(sizes, maps, found)
    _add_queries(sizes, found)
    if layers := num_layers(model):
        sizes |= {"I": layers, "I+1": layers + 1}
    sequences = [letter for letter in _SEQUENCES if letter in sizes]
    rows = {letter: f"({letter})" if "+" in letter else letter for letter in sequences}
    sizes |= {f"B*{name}": sizes.get("B", 1) * sizes[letter] for letter, name in rows.items()}
    if "K" in sizes:
        sizes["K+1"] = sizes["K"] + 1
    return Letters(sizes, maps, ("backbone",) if "backbone" in found else ())


def _of_batch(sizes: dict[str, int], root: Step) -> Maps:
    """B and G; and heights and widths of the batch, of smaller images, and at usual strides."""
    inputs = [value for item in root.inputs for value in item.values]
    images = [v.shape[1:] for v in inputs if v.name.endswith("image") and len(v.shape) == 3]
    objects = [v.shape[0] for v in inputs if v.name.endswith("gt_classes")]
    if len(set(objects)) == 1:
        sizes["G"] = objects[0]
    else:
        sizes |= {f"G_{number}": count for number, count in enumerate(objects, start=1)}
    if not images:
        return {}
    sizes["B"] = len(images)
    height, width = (max(sides) for sides in zip(*images, strict=True))
    maps = {("H", "W"): (height, width)}
    for number, size in enumerate(images, start=1):
        if size not in maps.values():
            maps[f"h_{number}", f"w_{number}"] = size
    for stride in _STRIDES:
        maps[f"H/{stride}", f"W/{stride}"] = (-(-height // stride), -(-width // stride))
    return maps


def _add_levels(sizes: dict[str, int], maps: Maps, found: dict[str, Step]) -> None:
    """L, S and the levels: the maps that the neck gives, if a pyramid is made of them."""
    if "neck" not in found or "pyramid" not in found:
        return
    levels = [value.shape[-2:] for value in found["neck"].given]
    strided = [names for names, size in maps.items() if size in levels and "/" in names[0]]
    for names in strided:
        del maps[names]
    sizes["L"], sizes["S"] = len(levels), sum(height * width for height, width in levels)
    for level, (height, width) in enumerate(levels, start=1):
        maps[f"H_{level}", f"W_{level}"] = (height, width)
        if len(levels) > 1:
            sizes[f"H_{level}W_{level}"] = height * width


def _add_queries(sizes: dict[str, int], found: dict[str, Step]) -> None:
    """Q and D as they really are: an image with few tokens gets few queries."""
    for letter, path in {"Q": "query_source", "D": "denoiser"}.items():
        for value in found[path].given if path in found else ():
            if value.name == "content":
                sizes[letter] = value.shape[1]
    if "D" in sizes and "Q" in sizes:
        sizes["D+Q"] = sizes["D"] + sizes["Q"]


def num_layers(model: nn.Module) -> int:
    """I: decoder layers that run, as evaluation may stop early; 0 if there is no decoder."""
    decoder = getattr(model, "decoder", None)
    layers = getattr(decoder, "layers", ())
    stop = -1 if model.training else getattr(decoder, "eval_idx", -1)
    return range(1, len(layers) + 1)[stop] if layers else 0
