"""Learning rates that shrink from the last block of a backbone to its first."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aligndetr.errors import ConfigError
from aligndetr.modeling.backbone.depth import anatomy


class LayerwiseDecay:
    """Learning rate factors by depth, for fine-tuning a pretrained backbone (ELECTRA; BEiT).

    With N blocks, counted from 1 through all stages, block i has `scale * decay ** (N + 1 - i)`;
    the embedding counts as block 0, and what follows the last block, such as output norms, as
    block N + 1. Everything outside the part has factor 1.

    Args:
        decay: 0 < decay <= 1, such as 0.8 or 0.9.
        part: dotted name of the part of the model that decays.
        scale: factor of the whole part, multiplied with the others.

    Raises:
        ConfigError: the decay is no such number.
    """

    def __init__(self, decay: float, part: str = "backbone", scale: float = 1.0) -> None:
        if not 0 < decay <= 1:
            raise ConfigError(f"layer-wise decay is {decay}: give a number above 0, at most 1")
        self.decay, self.part, self.scale = decay, part, scale

    def among(self, names: Iterable[str]) -> Callable[[str], float]:
        """The factor as a function of the name.

        Args:
            names: of all parameters of the model, frozen ones included, in their order.

        Raises:
            ConfigError: the model has no such part, or it has no numbered blocks.
        """
        prefix = f"{self.part}."
        inside = [name for name in names if name.startswith(prefix)]
        if not inside:
            raise ConfigError(f"layer-wise decay: the model has no parameters in {self.part!r}")
        found = anatomy(inside)
        if not found.blocks:
            raise ConfigError(
                f"layer-wise decay: the parameters of {self.part!r}, such as {inside[0]}, are not "
                "numbered by blocks; give lr_factor as a mapping of name patterns instead"
            )
        last = len(found.blocks) + 1
        factors = {
            name: self.scale * self.decay ** (last - depth.block)
            for name, depth in found.depths.items()
        }
        return lambda name: factors.get(name, 1.0)
