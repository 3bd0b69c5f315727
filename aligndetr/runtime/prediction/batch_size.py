"""How many images a detector gets at once."""

from __future__ import annotations

from ..errors import UserError


def check_batch_size(batch_size: int) -> None:
    """Raise a UserError if it is none."""
    if batch_size < 1:
        raise UserError(f"a batch of {batch_size} pictures is none; give 1 or more")
