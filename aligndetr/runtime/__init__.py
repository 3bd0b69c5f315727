"""All that uses a detector and trains none: numpy, Pillow, and a runtime for exported files.

These files come with two distributions: as `aligndetr.runtime`, and alone, without torch, as the
module `aligndetr_runtime` of the distribution of this name (`runtime/` in the repository).
Therefore they import each other relatively, and nothing else of the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .detector import Detector

__all__ = ["Detector"]


def __getattr__(name: str) -> Any:
    """`Detector`, whose file is only read when somebody asks for it: errors are needed sooner."""
    if name != "Detector":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .detector import Detector

    return Detector
