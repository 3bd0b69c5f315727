"""Looking into a model: every step of one forward, and what its queries do with an image."""

from aligndetr.explanation.inspection import inspect_image
from aligndetr.explanation.letters import Letters
from aligndetr.explanation.recorder import Recorder
from aligndetr.explanation.step import Item, Step, Value
from aligndetr.explanation.walking import InterruptedWalk, Walk, walk

__all__ = [
    "InterruptedWalk",
    "Item",
    "Letters",
    "Recorder",
    "Step",
    "Value",
    "Walk",
    "inspect_image",
    "walk",
]
