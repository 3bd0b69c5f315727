"""Fully sharded training: each process holds a part of the weights and of the optimizer's state."""

from __future__ import annotations

import copy
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from torch.optim import Optimizer

from aligndetr.distributed import backend_for
from aligndetr.distributed import whole as gathered
from aligndetr.engine.activation_checkpointing import USUAL_PARTS, layers_of
from aligndetr.engine.hooks import ModelEMA
from aligndetr.errors import ConfigError

if TYPE_CHECKING:
    from aligndetr.engine.checkpoint import Checkpointer

KEY = "train.fsdp.enabled"
_OTHERS = (  # what reads weights in one process alone, or not in step with the others
    ("train.validation_loss.enabled", "validation losses"),
    ("train.matching_stability.enabled", "the stability of matching"),
    ("train.pictures.every", "pictures during training"),
    ("train.compile", "compiled parts"),
)


def build_sharding(config: DictConfig, model: nn.Module, ema: ModelEMA | None) -> Sharding | None:
    """Shard a model and its average in place, if `train.fsdp.enabled` says so.

    Args:
        config: of the experiment.
        model: with the weights that it starts from, on the device of this process.
        ema: its average, or None.

    Raises:
        ConfigError: something else in the config does not go with it.
    """
    if not OmegaConf.select(config, KEY):
        return None
    for key, words in _OTHERS:
        if OmegaConf.select(config, key):
            raise ConfigError(f"{words} ({key}) do not go with {KEY}: leave one of them out")
    amp = OmegaConf.select(config, "train.amp") or {}
    if amp.get("enabled") and amp.get("dtype") == "float16":
        raise ConfigError(f"{KEY} needs train.amp.dtype=bfloat16: its gradients are not scaled")
    return Sharding({"model": model} if ema is None else {"model": model, "ema": ema.module})


class Sharding:
    """Weights of which each process holds a part (FSDP2: Zhao et al., *PyTorch FSDP*, 2023).

    The layers of backbone, encoder and decoder are gathered one at a time in forward and backward
    pass, all else for the whole step. Losses and gradients are those of replicated weights.

    Args:
        models: by the names of their weights; they are sharded in place. One of them has the
            parameters of an optimizer that is built afterwards.

    Attributes:
        whole: models like these that are not sharded, and hold weights only while `gathered`.
    """

    def __init__(self, models: dict[str, nn.Module]) -> None:
        self.models = models
        self.whole = {name: copy.deepcopy(model) for name, model in models.items()}
        self._release()
        for model in models.values():
            _shard(model)

    @contextmanager
    def gathered(self, keep: bool = False) -> Generator[None]:
        """In the block `whole` holds the weights; every process must enter it.

        Args:
            keep: also afterwards.
        """
        with torch.no_grad():
            for name, model in self.models.items():
                whole = self.whole[name]
                pairs = zip(whole.parameters(), model.parameters(), strict=True)
                for parameter, part in pairs:
                    parameter.data = gathered(part.detach())
                for buffer, own in zip(whole.buffers(), model.buffers(), strict=True):
                    buffer.copy_(own)
        try:
            yield
        finally:
            if not keep:
                self._release()

    def tensors(self, optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What a checkpoint holds of weights and optimizer.

        Returns:
            Tensors by `<model or ema>/<name>` and `optimizer/<what>/<name>`, those of the models
            the very ones that they use; and the optimizer's state as torch gives it by names.
        """
        from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

        found = {
            f"{part}/{name}": tensor
            for part, model in self.models.items()
            for name, tensor in model.state_dict().items()
        }
        state: dict[str, Any] = get_optimizer_state_dict(self.models["model"], optimizer)
        for name, kept in state["state"].items():
            found |= {f"optimizer/{what}/{name}": tensor for what, tensor in kept.items()}
        return found, state

    def checkpointer(self, optimizer: Optimizer, *settings: Any, **parts: Any) -> Checkpointer:
        """What saves and restores this training; see `ShardedCheckpointer`."""
        from aligndetr.engine.sharded_checkpoint import ShardedCheckpointer

        return ShardedCheckpointer(self, optimizer, *settings, **parts)

    def load_optimizer(
        self, optimizer: Optimizer, state: dict[str, Any], settings: Sequence[dict[str, Any]]
    ) -> None:
        """Give an optimizer a state that `tensors` returned and a checkpoint has filled.

        Args:
            optimizer: over the model's parameters.
            state: by names.
            settings: of its groups, such as their learning rates.
        """
        from torch.distributed.checkpoint.state_dict import set_optimizer_state_dict

        for group, stored in zip(state["param_groups"], settings, strict=True):
            group.update(stored)
        set_optimizer_state_dict(self.models["model"], optimizer, state)

    def _release(self) -> None:
        for whole in self.whole.values():
            for parameter in whole.parameters():
                parameter.data = parameter.data.new_empty(0)


def _shard(model: nn.Module) -> None:
    # there unless torch was built without `distributed`
    from torch.distributed.device_mesh import init_device_mesh  # ty: ignore[possibly-missing-import]
    from torch.distributed.fsdp import fully_shard

    device = next(model.parameters()).device
    if not dist.is_initialized():  # one process is a group of its own
        dist.init_process_group(backend_for(device), store=dist.HashStore(), rank=0, world_size=1)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for part in USUAL_PARTS:
        for layer in _units(getattr(model, part, nn.Identity())):
            fully_shard(layer, mesh=mesh)
    model.register_forward_hook(_own_losses)  # before those of `fully_shard`
    fully_shard(model, mesh=mesh)


def _own_losses(model: nn.Module, inputs: Any, outputs: Any) -> Any:
    """Losses that are no views of each other: those could lose what gathers weights in backward."""
    if not isinstance(outputs, dict):
        return outputs
    return {name: loss.clone() for name, loss in outputs.items()}


def _units(part: nn.Module) -> list[nn.Module]:
    """The layers of a part; of a foreign one those in its innermost lists of modules."""
    layers = layers_of(part)
    if not layers:
        lists = [m for m in part.modules() if isinstance(m, nn.ModuleList) and len(m) > 1]
        outer = {id(m) for m in lists for other in lists if other is not m and _has(m, other)}
        layers = [layer for found in lists if id(found) not in outer for layer in found]
    return [layer for layer in dict.fromkeys(layers) if list(layer.parameters())]


def _has(module: nn.Module, other: nn.Module) -> bool:
    return any(child is other for child in module.modules())
