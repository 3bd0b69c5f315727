"""In which precision a step is computed."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from aligndetr.distributed import unwrap
from aligndetr.errors import ConfigError

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Precision:
    """Autocast for the forward, and the loss scaling that float16 gradients need.

    Args:
        device: where the model is.
        dtype: "bfloat16", "float16", or None for full precision.

    Attributes:
        scaler: does nothing except for float16.

    Raises:
        ConfigError: an unknown dtype, or float16 without a GPU.
    """

    def __init__(self, device: torch.device, dtype: str | None = None) -> None:
        if dtype is not None and dtype not in DTYPES:
            raise ConfigError(f"train.amp.dtype={dtype!r}: choose one of {', '.join(DTYPES)}")
        if dtype == "float16" and device.type != "cuda":
            raise ConfigError(
                f"train.amp.dtype=float16 needs a GPU, and the device is {device.type}; "
                "train.amp.dtype=bfloat16 works there too"
            )
        self.device = device
        self.dtype = DTYPES.get(dtype)
        self.scaler = torch.amp.GradScaler(device.type, enabled=dtype == "float16")

    def autocast(self) -> AbstractContextManager:
        """The context of the model's forward."""
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype is not None)


def build_precision(config: DictConfig, device: torch.device) -> Precision:
    """What `train.amp` says."""
    amp = OmegaConf.select(config, "train.amp") or {}
    return Precision(device, amp.get("dtype") if amp.get("enabled") else None)


def precision_of(model: nn.Module) -> Precision:
    """Full precision on the device of a model."""
    return Precision(next(unwrap(model).parameters()).device)
