"""Detectors that were never trained, whose queries nevertheless differ."""

from typing import Any

from torch.nn.init import normal_


def draw_heads(model: Any) -> None:
    """Draw the weights of a detector's heads; those that layers share are drawn once."""
    for head in dict.fromkeys(model.decoder.class_heads):  # in order
        normal_(head.weight, std=0.5)
    for head in dict.fromkeys(model.decoder.box_heads):
        normal_(head.layers[-1].weight, std=0.3)
