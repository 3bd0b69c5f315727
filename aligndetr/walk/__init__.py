"""Reading a model without a debugger: one forward as a tree of steps with shapes and ranges."""

from aligndetr.walk.letters import Letters
from aligndetr.walk.step import Item, Step, Value
from aligndetr.walk.walking import InterruptedWalk, Walk, walk

__all__ = ["InterruptedWalk", "Item", "Letters", "Step", "Value", "Walk", "walk"]
