"""What a training will take: its plan, and trials of the ways to do it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from omegaconf import OmegaConf

from aligndetr.config import instantiate
from aligndetr.engine.activation_checkpointing import KEY as RECOMPUTED
from aligndetr.engine.activation_checkpointing import recomputable_parts
from aligndetr.engine.launch import resolve_device
from aligndetr.engine.loaders_from_config import load_dataset
from aligndetr.engine.plan import Plan, settled_plan
from aligndetr.engine.proposals import Proposal, Setting, propose, settings
from aligndetr.engine.trial import ReadConfig, try_apart


@dataclass(frozen=True)
class Planning:
    """A training in one process, and how it may be done.

    Attributes:
        read: gives the config.
        device: of the training.
        plan: as configured.
        settings: to compare.
    """

    read: ReadConfig
    device: torch.device
    plan: Plan
    settings: list[Setting]

    def propose(self, setting: Setting, memory: int, free: int) -> list[Proposal]:
        """Try a setting, see `proposals.propose`."""
        total, wanted = self.plan.total_batch_size, self.plan.loader_batch_size
        return propose(setting, total, wanted, memory, free, partial(try_apart, self.read))


def plan_training(read: ReadConfig) -> Planning:
    """Look at config and data; nothing is trained yet.

    Args:
        read: gives the config; picklable, as each trial reads it anew.

    Raises:
        UserError: anything that the user can change.
    """
    config = read()
    device = resolve_device(OmegaConf.select(config, "train.device") or "auto")
    dataset = load_dataset(config, "train")
    plan = settled_plan(config, dataset)
    with torch.device("meta"):
        parts = recomputable_parts(instantiate(config.model))
    amp = OmegaConf.select(config, "train.amp") or {}
    dtype = amp.get("dtype") if amp.get("enabled") else None
    recomputed = OmegaConf.select(config, RECOMPUTED) or ()
    return Planning(read, device, plan, settings(parts, dtype, recomputed))
