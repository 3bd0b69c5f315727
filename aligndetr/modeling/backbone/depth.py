"""How deep in a backbone a parameter sits, read off its name and its place among the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

CONTAINERS = {"layer", "layers", "stages", "blocks"}  # of numbered stages and blocks
OWN_STAGE = re.compile(r"res\d")  # our ResNets number stages without a container


@dataclass(frozen=True)
class Depth:
    """Stage and block, each counted from 1 through the whole network; 0 is the stem.

    What follows the last stage, such as output norms, is one beyond the last of both.
    """

    stage: int
    block: int


@dataclass
class Anatomy:
    """The order of a backbone's parts.

    Attributes:
        depths: depth of every parameter by name.
        stages: paths of the stages, first to last. A plain vision transformer has no stages: each
            of its blocks is one, as `transformers` names them.
        blocks: paths of the blocks, first to last.
    """

    depths: dict[str, Depth] = field(default_factory=dict)
    stages: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)


def anatomy(names: Sequence[str]) -> Anatomy:
    """Find stages and blocks among parameter names in the order of registration.

    What comes before the first stage is the stem. Of a stage's parameters outside its blocks those
    before them, such as a ConvNeXt's downsampling, count as its first block; those after them, such
    as a Swin's, as its last.

    Returns:
        An `Anatomy`; without stages and blocks if the names show none.
    """
    addresses = {name: _address(name) for name in names}
    levels = max((len(address) for address in addresses.values()), default=0)
    found = Anatomy()
    for name, address in addresses.items():
        if address and address[0] not in found.stages:
            found.stages.append(address[0])
        if address and len(address) == levels and address[-1] not in found.blocks:
            found.blocks.append(address[-1])
        found.depths[name] = _depth(address, levels, found)
    first = next((i for i, address in enumerate(addresses.values()) if address), len(names))
    for name in list(names)[first:]:
        if not addresses[name]:
            found.depths[name] = Depth(len(found.stages) + 1, len(found.blocks) + 1)
    return found


def _depth(address: tuple[str, ...], levels: int, found: Anatomy) -> Depth:
    """Of one parameter, given the stages and blocks up to it."""
    if not address:
        return Depth(0, 0)
    stage = found.stages.index(address[0]) + 1
    if len(address) == levels:
        return Depth(stage, found.blocks.index(address[-1]) + 1)
    is_after_blocks = any(block.startswith(f"{address[0]}.") for block in found.blocks)
    return Depth(stage, len(found.blocks) + (0 if is_after_blocks else 1))


def _address(name: str) -> tuple[str, ...]:
    """Paths of the stage and the block that hold a parameter, as far as there are any."""
    parts = name.split(".")
    found = []
    for end in range(1, len(parts)):
        before, here = parts[end - 2] if end > 1 else "", parts[end - 1]
        inside = before in CONTAINERS or OWN_STAGE.fullmatch(before)
        if OWN_STAGE.fullmatch(here) or (here.isdigit() and inside):
            found.append(".".join(parts[:end]))
    return tuple(found[:2])
