"""From one form of a dataset to another, and from an undivided one to splits."""

from aligndetr.data.conversion.converting import Conversion, convert

__all__ = ["Conversion", "convert"]
