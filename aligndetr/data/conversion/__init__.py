"""From one form of a dataset to another, and from an undivided one to splits."""

from aligndetr.data.conversion.converting import Conversion, convert
from aligndetr.data.conversion.splitting import TooFewGroupsError

__all__ = ["Conversion", "TooFewGroupsError", "convert"]
