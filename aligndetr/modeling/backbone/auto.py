"""Any backbone of the `transformers` library: Swin, ConvNeXt, FocalNet, DINOv2, ViTDet, ..."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from aligndetr.errors import ConfigError
from aligndetr.modeling.backbone.registry import BACKBONES


class TransformersBackbone(nn.Module):
    """`transformers.AutoBackbone` with the interface of our backbones.

    Args:
        name_or_config: a model type ("swin", "convnext", "dinov2": random weights, sizes from
            `config`), or a name on the Hugging Face hub or a local folder.
        out_features: stage names as that model calls them, finest first ("stage2", ...).
        pretrained: also fetch the weights of that hub name or folder.
        config: hyper-parameters that replace those of the model's own configuration.
        freeze: prefixes of parameter names not to train; "" freezes everything.

    Attributes:
        channels: channels of each output by name.
        strides: input pixels per output pixel, by name.

    Raises:
        ConfigError: `transformers` is absent, the name cannot be resolved, the model offers no
            such stages, or a prefix fits no parameter.
    """

    def __init__(
        self,
        name_or_config: str,
        out_features: Sequence[str],
        pretrained: bool = False,
        config: Mapping[str, Any] | None = None,
        freeze: Sequence[str] = (),
    ):
        super().__init__()
        resolved = _resolve_config(name_or_config, list(out_features), dict(config or {}))
        self.model = _build(name_or_config, resolved, pretrained)
        self.channels, self.strides = _probe(resolved)
        _freeze(self.model, freeze)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map normalised images (B,3,H,W) to name -> (B,C,H_l,W_l)."""
        maps = self.model(images).feature_maps
        return dict(zip(self.model.out_features, maps, strict=True))


@BACKBONES.register()
def auto(name_or_config: str, out_features: Sequence[str], **arguments: Any) -> nn.Module:
    """Build a `TransformersBackbone`; the arguments are its own."""
    return TransformersBackbone(name_or_config, out_features, **arguments)


def _library():
    try:
        import transformers
    except ImportError as error:
        raise ConfigError(
            "this backbone needs the transformers library: pip install 'aligndetr[transformers]'"
        ) from error
    return transformers


def _resolve_config(name: str, out_features: list[str], overrides: dict[str, Any]):
    transformers = _library()
    overrides["out_features"] = out_features
    try:
        if name in transformers.CONFIG_MAPPING:
            return transformers.AutoConfig.for_model(name, **overrides)
        return transformers.AutoConfig.from_pretrained(name, **overrides)
    except (OSError, ValueError) as error:
        raise ConfigError(f"backbone {name!r}, out_features {out_features}: {error}") from error


def _build(name: str, config, pretrained: bool) -> nn.Module:
    transformers = _library()
    try:
        if pretrained and name in transformers.CONFIG_MAPPING:
            raise ValueError("a model type has no weights; give a hub name or a folder")
        if pretrained:
            # The class first: AutoBackbone itself cannot read local folders.
            with torch.device("meta"):
                model_class = type(transformers.AutoBackbone.from_config(config))
            return model_class.from_pretrained(name, config=config)
        return transformers.AutoBackbone.from_config(config)
    except (OSError, ValueError) as error:
        raise ConfigError(f"backbone {name!r}: {error}") from error


def _probe(config) -> tuple[dict[str, int], dict[str, int]]:
    """Read channels and strides off the shapes that a weightless copy produces.

    Not off the configuration: it has no strides, and some models report other channels than they
    return (FocalNet's maps are those after the stage's downsampling).
    """
    size = getattr(config, "image_size", None) or 224
    size = size if isinstance(size, int) else size[0]
    with torch.device("meta"):
        probe = _library().AutoBackbone.from_config(config).eval()
        maps = probe(torch.empty(1, config.num_channels, size, size)).feature_maps
    shapes = dict(zip(probe.out_features, (m.shape for m in maps), strict=True))
    channels = {name: shape[1] for name, shape in shapes.items()}
    return channels, {name: round(size / shape[-1]) for name, shape in shapes.items()}


def _freeze(model: nn.Module, prefixes: Sequence[str]) -> None:
    for prefix in prefixes:
        frozen = [p for name, p in model.named_parameters() if name.startswith(prefix)]
        if not frozen:
            names = ", ".join(name for name, _ in model.named_children())
            raise ConfigError(f"freeze={prefix!r}: no such parameter; the parts are {names}")
        for parameter in frozen:
            parameter.requires_grad_(False)
