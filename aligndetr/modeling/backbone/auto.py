"""Any backbone of the `transformers` library: Swin, ConvNeXt, FocalNet, DINOv2, ViTDet, ..."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aligndetr.errors import ConfigError
from aligndetr.modeling.backbone.depth import Anatomy, anatomy
from aligndetr.modeling.backbone.library import fetch, library, plain, resolve_config
from aligndetr.modeling.backbone.registry import BACKBONES


class TransformersBackbone(nn.Module):
    """`transformers.AutoBackbone` with the interface of our backbones.

    Of the parameters that no output depends on, norms are left out and others not trained. What is
    frozen stays in evaluation mode: its batch norms are constants, and it drops nothing.

    Args:
        name_or_config: a model type ("swin", "convnext", "dinov2": random weights, sizes from
            `config`), or a name on the Hugging Face hub or a local folder.
        out_features: stage names as that model calls them, finest first ("stage2", ...).
        pretrained: also fetch the weights of that hub name or folder.
        config: hyper-parameters that replace those of the model's own configuration.
        freeze_at: train nothing of the first so many parts: 0 freezes nothing, 1 the embedding,
            2 also the first stage, ... Each block of a plain vision transformer is a stage.
        freeze: prefixes of parameter names not to train; "" freezes everything.

    Attributes:
        channels: channels of each output by name.
        strides: input pixels per output pixel, by name.

    Raises:
        ConfigError: `transformers` is absent, the name cannot be resolved, the model offers no
            such stages or hyper-parameters, or there is nothing to freeze.
    """

    def __init__(
        self,
        name_or_config: str,
        out_features: Sequence[str],
        pretrained: bool = False,
        config: Mapping[str, Any] | None = None,
        freeze_at: int = 0,
        freeze: Sequence[str] = (),
    ):
        super().__init__()
        resolved = resolve_config(name_or_config, list(out_features), plain(config or {}))
        probe = _Probe(resolved)
        self.channels, self.strides = probe.channels, probe.strides
        self._divisor = 1 if probe.pads_itself else max(probe.strides.values())
        if pretrained:
            self.model, _ = fetch(name_or_config, type(probe.model), resolved)
        else:
            self.model = library().AutoBackbone.from_config(resolved)
        _retire(self.model, set(probe.unused))
        _freeze_first(self.model, self._anatomy(), freeze_at)
        _freeze_named(self.model, freeze)

    @property
    def layers(self) -> list[nn.Module]:
        """The blocks, first to last: what activation checkpointing works on."""
        return [self.model.get_submodule(path) for path in self._anatomy().blocks]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map normalised images (B,3,H,W) to name -> (B,C_l,ceil(H/stride),ceil(W/stride))."""
        height, width = images.shape[-2:]
        if self._divisor > 1:  # patches would be cut off otherwise
            images = F.pad(images, (0, -width % self._divisor, 0, -height % self._divisor))
        maps = self.model(images).feature_maps
        return {
            name: level[..., : -(-height // stride), : -(-width // stride)]
            for (name, stride), level in zip(self.strides.items(), maps, strict=True)
        }

    def load_pretrained(self, name: str) -> list[str]:
        """Take the weights of a hub name or local folder; what is frozen stays frozen.

        Returns:
            Names of the parameters that had none there, and keep their values.

        Raises:
            ConfigError: there are none, or they are of another architecture.
        """
        fetched, missing = fetch(name, type(self.model), self.model.config)
        weights = {key: t for key, t in fetched.state_dict().items() if key not in missing}
        self.model.load_state_dict(weights, strict=False)
        return [f"model.{key}" for key in missing]

    def train(self, mode: bool = True) -> TransformersBackbone:
        """Set the mode of all that is trained."""
        super().train(mode)
        for module in self.model.modules():
            parameters = list(module.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                module.eval()
        return self

    def _anatomy(self) -> Anatomy:
        return anatomy([name for name, _ in self.model.named_parameters()])


@BACKBONES.register()
def auto(name_or_config: str, out_features: Sequence[str], **arguments: Any) -> nn.Module:
    """Build a `TransformersBackbone`; the arguments are its own."""
    return TransformersBackbone(name_or_config, out_features, **arguments)


class _Probe:
    """What a weightless copy of a model shows.

    Not read off the configuration: it has no strides, and some models report other channels than
    they return (FocalNet's maps are those after the stage's downsampling).

    Attributes:
        channels, strides: of the outputs by name.
        pads_itself: maps have as many rows and columns as it takes to cover images of any size.
        unused: names of the parameters that no output depends on.
    """

    def __init__(self, config) -> None:
        size = getattr(config, "image_size", None) or 224
        size = size if isinstance(size, int) else size[0]
        with torch.device("meta"):
            self.model = library().AutoBackbone.from_config(config).eval()
        maps = self._maps(size)
        names = self.model.out_features
        self.channels = {name: m.shape[1] for name, m in zip(names, maps, strict=True)}
        self.strides = {
            name: round(size / m.shape[-1]) for name, m in zip(names, maps, strict=True)
        }
        self.unused = self._unused(maps)
        larger = [m.shape[-1] for m in self._maps(size + 1)]
        self.pads_itself = larger == [-(-(size + 1) // s) for s in self.strides.values()]

    def _maps(self, size: int) -> Sequence[Tensor]:
        images = torch.empty(1, self.model.config.num_channels, size, size, device="meta")
        with torch.device("meta"), torch.enable_grad():
            return self.model(images).feature_maps

    def _unused(self, maps: Sequence[Tensor]) -> list[str]:
        parameters = dict(self.model.named_parameters())
        with torch.device("meta"):
            total = torch.stack([level.sum() for level in maps]).sum()
            gradients = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
        pairs = zip(parameters, gradients, strict=True)
        return [name for name, gradient in pairs if gradient is None]


def _retire(model: nn.Module, unused: set[str]) -> None:
    """Take out what changes no output: distributed training would wait for its gradients."""
    for path, module in list(model.named_modules()):
        if isinstance(module, nn.LayerNorm) and f"{path}.weight" in unused:
            parent, _, name = path.rpartition(".")
            setattr(model.get_submodule(parent), name, nn.Identity())
    for name, parameter in model.named_parameters():
        if name in unused:
            parameter.requires_grad_(False)


def _freeze_first(model: nn.Module, found: Anatomy, freeze_at: int) -> None:
    most = len(found.stages) + 1
    if not 0 <= freeze_at <= most:
        raise ConfigError(
            f"freeze_at is {freeze_at}: give 0 (nothing), 1 (the embedding), ... to {most} (also "
            f"all {most - 1} stages of this model)"
        )
    for name, parameter in model.named_parameters():
        if found.depths[name].stage < freeze_at:
            parameter.requires_grad_(False)


def _freeze_named(model: nn.Module, prefixes: Sequence[str]) -> None:
    for prefix in prefixes:
        frozen = [p for name, p in model.named_parameters() if name.startswith(prefix)]
        if not frozen:
            names = ", ".join(name for name, _ in model.named_children())
            raise ConfigError(f"freeze={prefix!r}: no such parameter; the parts are {names}")
        for parameter in frozen:
            parameter.requires_grad_(False)
