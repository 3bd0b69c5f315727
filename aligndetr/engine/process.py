"""This process, made ready for a run: device, threads, memory, random numbers."""

from __future__ import annotations

import os

import torch
from omegaconf import DictConfig, OmegaConf

from aligndetr.engine.cpu_allocator import tune_allocator
from aligndetr.engine.desync import check_config
from aligndetr.engine.launch import resolve_device
from aligndetr.engine.plan import whole_number
from aligndetr.engine.random_state import choose_seed, seed_everything


def prepare_process(config: DictConfig, frugal: bool = False) -> torch.device:
    """Set what a config says of the process.

    Args:
        config: of the run; `train.seed` gets the seed that is used, if it left that open.
        frugal: see `tune_allocator`.

    Returns:
        The device of this process.

    Raises:
        ConfigError: the device does not exist, or another process has another config.
    """
    check_config(config)
    device = resolve_device(OmegaConf.select(config, "train.device") or "auto")
    threads = whole_number(config, "train.num_threads", None)
    if threads:
        torch.set_num_threads(threads)
    if device.type == "cpu":
        tune_allocator(frugal)
    if OmegaConf.select(config, "train.deterministic"):
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    seed = choose_seed(OmegaConf.select(config, "train.seed"))
    OmegaConf.update(config, "train.seed", seed, force_add=True)
    seed_everything(seed)
    return device
