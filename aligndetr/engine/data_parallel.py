"""What processes exchange besides gradients, and how gradients travel."""

from __future__ import annotations

import logging

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from aligndetr.errors import ConfigError

logger = logging.getLogger(__name__)

SYNC, COMPRESSION = "train.ddp.sync_batch_norm", "train.ddp.gradient_compression"
_FP16 = "train.ddp.fp16_compression"  # the name that detrex has for one of them
_HOOKS = {
    "fp16": default_hooks.fp16_compress_hook,
    "bf16": default_hooks.bf16_compress_hook,
}


def synchronised_batch_norms(
    model: nn.Module, config: DictConfig, device: torch.device
) -> nn.Module:
    """The model, whose batch norms that train see the images of all processes if the config says.

    Frozen ones are constants anyway. Parameters stay the same objects, and names in checkpoints
    the same.

    Raises:
        ConfigError: torch can do that on GPUs only.
    """
    if not OmegaConf.select(config, SYNC):
        return model
    names = [n for n, m in model.named_modules() if isinstance(m, _BatchNorm)]
    if names and device.type == "cpu":
        raise ConfigError(f"{SYNC}=true needs GPUs: torch has no such batch norm for the CPU")
    logger.info("%d batch norms see the images of all processes", len(names))
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)


def compress_gradients(model: DistributedDataParallel, config: DictConfig) -> None:
    """Let gradients travel in half as many bytes, if the config says so.

    They are summed in that precision. What needs a state of its own (PowerSGD) is left out, as no
    checkpoint would hold it.

    Raises:
        ConfigError: there is no such way, or none between these devices.
    """
    name = OmegaConf.select(config, COMPRESSION)
    if name is None:
        name = "fp16" if OmegaConf.select(config, _FP16) else None
    if name is None:
        return
    if name not in _HOOKS:
        raise ConfigError(f"{COMPRESSION}={name!r}: choose {', '.join(_HOOKS)} or null")
    try:
        model.register_comm_hook(state=None, hook=_HOOKS[name])
    except TypeError as error:
        raise ConfigError(f"{COMPRESSION}={name}: {error}; fp16 works everywhere") from error
