"""The trainer of an experiment, without hooks: what a step is made of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from aligndetr.engine.determinism import check_deterministic
from aligndetr.engine.model import distribute
from aligndetr.engine.plan import Plan
from aligndetr.engine.precision import build_precision
from aligndetr.engine.trainer import Batch, Trainer


def build_trainer(
    config: DictConfig,
    model: nn.Module,
    loader: Iterable[Batch],
    optimizer: torch.optim.Optimizer,
    plan: Plan,
    dump_folder: Path | None = None,
) -> Trainer:
    """A trainer with the config's precision and clipping, and the plan's accumulation.

    Args:
        config: of the experiment.
        model: on the device of this process; several processes average its gradients.
        loader: see `Trainer`.
        optimizer: over the model's parameters.
        plan: of the training.
        dump_folder: see `Trainer`.

    Raises:
        ConfigError: the precision, or determinism, cannot be had on this device.
    """
    device = next(model.parameters()).device
    precision = build_precision(config, device)
    check_deterministic(model, precision)
    clip: Any = OmegaConf.select(config, "train.clip_grad") or {}
    return Trainer(
        distribute(model, config, device),
        loader,
        optimizer,
        precision=precision,
        clip_grad=dict(clip.params) if clip.get("enabled") else None,
        accumulation_steps=plan.accumulation_steps,
        dump_folder=dump_folder,
    )
