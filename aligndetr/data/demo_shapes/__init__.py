"""The demo set: pictures of shapes in COCO format."""

from aligndetr.data.demo_shapes.scene import HARD, PLAIN, Scene, Style, draw_scene
from aligndetr.data.demo_shapes.splits import SPLITS, Split, ensure_shapes

__all__ = ["HARD", "PLAIN", "SPLITS", "Scene", "Split", "Style", "draw_scene", "ensure_shapes"]
