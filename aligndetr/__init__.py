"""AlignDETR, DINO and the DETR family: lazy configs, a hook-driven trainer, PyPI packages only."""

__version__ = "0.2.0"
