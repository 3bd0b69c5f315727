"""Trained detectors as folders and on the Hugging Face hub."""

from aligndetr.hub.pretrained import from_pretrained, push_to_hub, save_pretrained

__all__ = ["from_pretrained", "push_to_hub", "save_pretrained"]
