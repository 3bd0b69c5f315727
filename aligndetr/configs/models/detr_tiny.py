"""DETR shrunk for images of about 160 pixels; its one scale has a stride of 16."""

from .detr_r50 import model
from .tiny import one_scale, shrink

shrink(model)
one_scale(model)
