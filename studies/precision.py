"""Numbers of 64 bits, where rounding must not hide or make a difference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def double_precision() -> Iterator[None]:
    """Modules made in this block have float64 parameters and constants."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
