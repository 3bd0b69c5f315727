"""Looking into a model: every step of one forward, and what its queries do with an image."""

from aligndetr.explanation.inspection import Inspection, inspect_image
from aligndetr.explanation.recorded_steps import Item, Step, Value
from aligndetr.explanation.recorder import Recorder
from aligndetr.explanation.walk_forward import InterruptedWalk, Walk, walk
from aligndetr.explanation.walk_shape_letters import Letters

__all__ = [
    "Inspection",
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
