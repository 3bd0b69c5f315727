"""Weights of `transformers` backbones by their name on the Hugging Face hub."""

from __future__ import annotations

from torch import nn

from aligndetr.errors import CheckpointError
from aligndetr.interop.huggingface import PREFIX
from aligndetr.interop.report import Report
from aligndetr.modeling.backbone import TransformersBackbone


def load_backbone(model: nn.Module, path: str, strict: bool = False) -> Report:
    """Fill the backbone of `transformers` in a model; see `load_checkpoint`.

    Args:
        model: a detector or a backbone.
        path: "huggingface://" and a hub name (fetched once, then cached) or a local folder.
        strict: take it as an error if the backbone has parameters that are not there.

    Raises:
        CheckpointError: the model has no such backbone, or does not fit exactly though `strict`.
        ConfigError: there are no such weights, or they are of another architecture.
    """
    backbones = [(n, m) for n, m in model.named_modules() if isinstance(m, TransformersBackbone)]
    if len(backbones) != 1:
        raise CheckpointError(
            f"{path} is for a backbone of transformers (TransformersBackbone), of which this model "
            f"has {len(backbones)}"
        )
    [(prefix, backbone)] = backbones
    without = set(backbone.load_pretrained(path.removeprefix(PREFIX)))
    names = [name for name, _ in backbone.named_parameters()]
    own = {name: f"{prefix}.{name}" if prefix else name for name in names}
    report = Report(
        path,
        "Hugging Face transformers",
        loaded=[own[name] for name in names if name not in without],
        missing=[own[name] for name in names if name in without],
    )
    if strict and report.missing:
        raise CheckpointError(f"{path} does not fit the model exactly\n{report}")
    return report
