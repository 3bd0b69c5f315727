"""A look into a model while it looks at one image: matches, references, sampling points."""

from aligndetr.inspection.inspection import inspect_image

__all__ = ["inspect_image"]
