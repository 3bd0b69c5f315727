"""What the sizes of tensors mean: `(2, 1360, 256)` is `(B, S, C)`.

A size gets a letter only where nothing else in this walk could have the same size in the same
place; otherwise it stays a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from aligndetr.walk.step import Step, Value

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
    maps: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    without_channels: tuple[str, ...] = ()

    def name(self, shape: tuple[int, ...], source: str = "") -> tuple[str, ...]:
        """Letters for the sizes of a tensor, numbers where none is certain.

        Args:
            shape: of the tensor.
            source: path of the step that gave it.
        """
        is_foreign = any(source == p or source.startswith(f"{p}.") for p in self.without_channels)
        candidates: list[set[str]] = [set() for _ in shape]
        for letter, size in self.sizes.items():
            for place, actual in enumerate(shape):
                if is_foreign and letter != "B":
                    continue
                if actual == size > 1 and self._may_stand(letter, place, shape):
                    candidates[place].add(letter)
        for names, place in self._map_places(shape):
            for offset, name in enumerate(names):
                candidates[place + offset].add(name)
        self._drop_half_maps(candidates)
        return tuple(
            next(iter(found)) if len(found) == 1 else str(size)
            for found, size in zip(candidates, shape, strict=True)
        )

    def _map_places(self, shape: tuple[int, ...]) -> list[tuple[tuple[str, str], int]]:
        """Heights beside widths, behind another dimension."""
        return [
            (names, place)
            for place in range(1, len(shape) - 1)
            for names, sizes in self.maps.items()
            if shape[place : place + 2] == sizes and min(sizes) > 1
        ]

    def _drop_half_maps(self, candidates: list[set[str]]) -> None:
        """A height without its width, which may be something else, is none, and vice versa."""
        for place in range(len(candidates) - 1):
            for names in self.maps:
                here, there = candidates[place], candidates[place + 1]
                if names[0] in here and names[1] in there and (len(here) > 1 or len(there) > 1):
                    here.add("?"), there.add("?")

    def _may_stand(self, letter: str, place: int, shape: tuple[int, ...]) -> bool:
        """Whether a letter may be what is meant in this place of a shape."""
        last = len(shape) - 1
        if not _RULED.fullmatch(letter):
            return True  # a letter of the caller's own
        if last == 0 and shape[0] <= max(_COORDINATES):
            return False
        if letter == "B":
            return place == 0 or (place == 1 and last >= 3 and self._counts_layers(shape[0]))
        if letter in ("I", "I+1"):
            has_layers = last == 0 or (last >= 2 and self._is_any(shape[1], ("B", *_SEQUENCES)))
            return place == 0 and has_layers
        if letter == "L":
            is_before_end = place == last - 1 and place > 0
            return (is_before_end and shape[last] in _COORDINATES) or shape[1:] == (self._c,)
        if letter.startswith("G"):
            is_cost = last >= 1 and place == last and self._is_any(shape[place - 1], _SEQUENCES)
            return is_cost or (place == 0 and last <= 1)
        if "*" in letter:
            return place == 0 and last == 1
        if shape[place] <= max(_COORDINATES):
            return False
        if letter in ("K", "K+1"):
            is_for_each = last == 1 or self._is_any(shape[last - 1], _SEQUENCES)
            return place == last > 0 and is_for_each
        if letter == "C":
            return place > 0
        if place == 0:  # rows may be anything that is chosen; but of masks we know
            return last == 1 and self._is_any(shape[1], _SEQUENCES)
        is_mask = place == last and (last < 2 or shape[place - 1] in (1, shape[place]))
        return place < last or is_mask

    @property
    def _c(self) -> int | None:
        return self.sizes.get("C")

    def _counts_layers(self, size: int) -> bool:
        return size == 1 or self._is_any(size, ("I", "I+1"))

    def _is_any(self, size: int, letters: tuple[str, ...]) -> bool:
        return any(self.sizes.get(letter) == size for letter in letters)

    def collisions(self) -> list[str]:
        """Letters that another image size or number of images would make certain.

        Tokens and queries that are as many as each other or as the channels, images that are as
        many as the layers, or only one, and sides that are as long as anything else.
        """
        sizes = self.sizes
        rivals = dict.fromkeys(_SEQUENCES, ("C", *_SEQUENCES)) | {"B": ("I", "I+1")}
        found = [
            letter
            for letter, others in rivals.items()
            if letter in sizes
            and (
                sizes[letter] == 1
                or any(sizes.get(other) == sizes[letter] for other in others if other != letter)
            )
        ]
        sides = zip(("H", "W"), self.maps.get(("H", "W"), ()), strict=False)
        return found + [letter for letter, side in sides if side in sizes.values()]


def find_letters(model: nn.Module, root: Step) -> Letters:
    """The letters of a detector's walk, from its attributes and from what its parts gave.

    Other modules have fewer of the attributes, or none, and so fewer letters.

    Args:
        model: with `embed_dim`, `num_classes` and `num_queries`.
        root: its step.
    """
    found = {step.path: step for step in root.steps()}
    sizes = {}
    for letter, name in {"C": "embed_dim", "K": "num_classes", "Q": "num_queries"}.items():
        if isinstance(size := getattr(model, name, None), int):
            sizes[letter] = size
    images = [v for v in _inputs(root) if v.name.endswith("image") and len(v.shape) == 3]
    maps = _image_maps(images)
    if images:
        sizes["B"] = len(images)
    objects = [v.shape[0] for v in _inputs(root) if v.name.endswith("gt_classes")]
    sizes |= _objects(objects)
    _add_tokens(sizes, maps, found)
    _add_queries(sizes, found)
    _add_layers(sizes, model)
    for letter in [key for key in _SEQUENCES if key in sizes]:
        sizes[f"B*{letter}" if "+" not in letter else f"B*({letter})"] = (
            sizes.get("B", 1) * sizes[letter]
        )
    if "K" in sizes:
        sizes["K+1"] = sizes["K"] + 1
    return Letters(sizes, maps, ("backbone",) if "backbone" in found else ())


def _inputs(root: Step) -> list[Value]:
    return [value for item in root.inputs for value in item.values]


def _image_maps(images: list[Value]) -> dict[tuple[str, str], tuple[int, int]]:
    """Of the padded batch, of each smaller image, and of the batch at usual strides."""
    if not images:
        return {}
    height, width = (max(value.shape[axis] for value in images) for axis in (1, 2))
    maps = {("H", "W"): (height, width)}
    for number, value in enumerate(images, start=1):
        if value.shape[1:] not in maps.values():
            maps[f"h_{number}", f"w_{number}"] = value.shape[1:]
    for stride in _STRIDES:
        maps[f"H/{stride}", f"W/{stride}"] = (-(-height // stride), -(-width // stride))
    return maps


def _objects(counts: list[int]) -> dict[str, int]:
    if len(set(counts)) == 1:
        return {"G": counts[0]}
    return {f"G_{number}": count for number, count in enumerate(counts, start=1)}


def _add_tokens(
    sizes: dict[str, int], maps: dict[tuple[str, str], tuple[int, int]], found: dict[str, Step]
) -> None:
    """L, S and the levels, from the maps that the neck gives."""
    neck, pyramid = found.get("neck"), found.get("pyramid")
    if neck is None or neck.output is None or pyramid is None or pyramid.output is None:
        return
    levels = [value.shape[-2:] for value in neck.output.values]
    tokens = sum(height * width for height, width in levels)
    if not any(value.shape[1:2] == (tokens,) for value in pyramid.output.values):
        return
    sizes |= {"L": len(levels), "S": tokens}
    for names, size in list(maps.items()):
        if size in levels and names != ("H", "W"):
            del maps[names]
    for level, (height, width) in enumerate(levels, start=1):
        maps[f"H_{level}", f"W_{level}"] = (height, width)
        if len(levels) > 1:
            sizes[f"H_{level}W_{level}"] = height * width


def _add_queries(sizes: dict[str, int], found: dict[str, Step]) -> None:
    """Q and D as they really are: an image with few tokens gets few queries."""
    for letter, path in {"Q": "query_source", "D": "denoiser"}.items():
        step = found.get(path)
        if step is not None and step.output is not None:
            for value in step.output.values:
                if value.name == "content":
                    sizes[letter] = value.shape[1]
    if "D" in sizes and "Q" in sizes:
        sizes["D+Q"] = sizes["D"] + sizes["Q"]


def _add_layers(sizes: dict[str, int], model: nn.Module) -> None:
    layers: Any = getattr(getattr(model, "decoder", None), "layers", None)
    if isinstance(layers, nn.ModuleList):
        sizes["I"] = len(layers) if model.training else getattr(model.decoder, "eval_idx", -1) + 1
        sizes["I+1"] = sizes["I"] + 1
