"""What we know of one kind of checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from torch import Tensor

from aligndetr.interop.names import Pair, fits, with_prefix

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


class Normalisation(TypedDict):
    """What is subtracted from pixels, and what they are divided by."""

    pixel_mean: tuple[float, float, float]
    pixel_std: tuple[float, float, float]


IMAGENET = Normalisation(pixel_mean=IMAGENET_MEAN, pixel_std=IMAGENET_STD)  # of `Traits`


@dataclass(frozen=True)
class Traits:
    """Hyper-parameters that weights were trained with but no tensor shows; None: not known.

    Attributes:
        pixel_mean, pixel_std: of the three input channels, 0 to 255, in their order. A mean that
            rises from the first to the last channel means BGR.
        stride_in_1x1: see `ResNet`; means nothing for basic blocks.
        position_temperature, position_offset: of the sine embedding, see `SinePositionEmbedding`.
        inverse_sigmoid_eps: of the decoder.
        coco_slots: class rows are indexed by COCO's category ids, so 11 of 91 are unused.
        binding: a model that differs cannot use the weights; otherwise the trait is a default that
            a user of that toolbox may have changed, and a difference is only mentioned.
    """

    pixel_mean: tuple[float, float, float] | None = None
    pixel_std: tuple[float, float, float] | None = None
    stride_in_1x1: bool | None = None
    position_temperature: float | None = None
    position_offset: float | None = None
    inverse_sigmoid_eps: float | None = None
    coco_slots: bool = False
    binding: bool = True


@dataclass(frozen=True)
class Source:
    """A checkpoint layout: how to recognise it and what its names mean.

    Attributes:
        name: as shown in the report.
        markers: templates; a checkpoint is of this source if each fits one of its names.
        table: names (theirs or ours) -> pairs (their template, our template).
        aliases: values by their names -> pairs (alias, the template of the name it repeats).
        ignored: templates of names that a detector has no use for.
        traits: see `Traits`.
        prepare: changes tensors under their names before they are renamed.
        finish: the opposite, after our tensors got their names.
        backbone_only: the file is a classifier; our names lack the prefix "backbone.".
    """

    name: str
    markers: tuple[str, ...]
    table: Callable[[Collection[str]], Sequence[Pair]]
    aliases: Callable[[Mapping[str, Any]], Sequence[Pair]] = lambda state: ()
    ignored: tuple[str, ...] = ()
    traits: Traits = field(default_factory=Traits)
    prepare: Callable[[dict[str, Tensor]], dict[str, Tensor]] = lambda tensors: tensors
    finish: Callable[[dict[str, Tensor]], dict[str, Tensor]] = lambda tensors: tensors
    backbone_only: bool = False

    def recognises(self, names: Mapping | Collection[str]) -> bool:
        """Tell whether a checkpoint with these names is of this source."""
        return all(any(fits(name, marker) for name in names) for marker in self.markers)


def residual_stages(
    convolution: Sequence[Pair], block: str, convs: Sequence[str], shortcuts: Sequence[str]
) -> list[Pair]:
    """Names of a ResNet's four stages.

    Args:
        convolution: the table of a convolution and its norm.
        block: prefix of a block with number `{{b}}`, for `str.format` with the stage from 0.
        convs: prefixes of a block's convolutions.
        shortcuts: of each stage; where one pools, its convolution is the second part of a sequence.
    """
    pairs: list[Pair] = []
    for stage, shortcut in enumerate(shortcuts):
        theirs, ours = block.format(stage), f"res{stage + 2}.{{b}}."
        pairs += with_prefix(convolution, theirs + shortcut, ours + "shortcut.")
        for number, conv in enumerate(convs, start=1):
            pairs += with_prefix(convolution, theirs + conv, f"{ours}conv{number}.")
    return pairs
