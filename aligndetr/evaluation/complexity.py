"""What a model costs: parameters, multiply-adds and activations of each module.

Counts are dicts from module name (as in `named_modules`, "" for the whole model) to a number for
the module with everything inside it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from aligndetr.evaluation.inference import evaluation_mode
from aligndetr.evaluation.report import text_table
from aligndetr.structures import ImageBatch

Counts = Mapping[str, int]


def describe_costs(
    model: nn.Module, tasks: Sequence[str], image_size: tuple[int, int], depth: int = 2
) -> str:
    """What a model is and costs, as text.

    Args:
        model: a `Detector`; left as it was.
        tasks: any of "structure", "parameter", "flop" and "activation".
        image_size: (height, width) in pixels of a random image.
        depth: levels of modules in the table.
    """
    columns = {}
    if "parameter" in tasks:
        columns["parameters"] = parameter_counts(model)
    if "flop" in tasks:
        columns["multiply-adds"] = flop_counts(model, image_size)
    if "activation" in tasks:
        columns["activations"] = activation_counts(model, image_size)
    parts = [str(model)] if "structure" in tasks else []
    return "\n".join([*parts, cost_table(columns, depth)] if columns else parts)


def parameter_counts(model: nn.Module) -> Counts:
    """Parameters, learnable or frozen, shared ones once."""
    from fvcore.nn import parameter_count

    return parameter_count(model)


def flop_counts(model: nn.Module, image_size: tuple[int, int]) -> Counts:
    """Multiply-adds, counted as one each, of detecting objects in one random image.

    Args:
        model: a `Detector`; left as it was.
        image_size: (height, width) in pixels as the model sees it.
    """
    from fvcore.nn import FlopCountAnalysis

    return _trace(FlopCountAnalysis, model, image_size)


def activation_counts(model: nn.Module, image_size: tuple[int, int]) -> Counts:
    """Elements that convolutions and matrix products write for one image; see `flop_counts`."""
    from fvcore.nn import ActivationCountAnalysis

    return _trace(ActivationCountAnalysis, model, image_size)


class _Traceable(nn.Module):
    """A detector's way from pixels to predictions, tensors in and out."""

    detector: Any  # a Detector, of whom nothing is imported here

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        predictions = self.detector.detect(ImageBatch.from_images([pixels])).predictions
        return predictions.logits, predictions.boxes


def _trace(analysis: type, model: nn.Module, image_size: tuple[int, int]) -> Counts:
    pixels = torch.rand(3, *image_size, device=next(model.parameters()).device)
    with evaluation_mode(model), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing turns shapes into constants, as it should here
        counter = analysis(_Traceable(model), pixels)
        counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        counter.tracer_warnings("none")
        if analysis.__name__ == "FlopCountAnalysis":
            counter.set_op_handle("aten::scaled_dot_product_attention", _attention_flops)
        counts = counter.by_module()
    return {name: counts[f"detector.{name}" if name else ""] for name, _ in model.named_modules()}


def _attention_flops(inputs: Sequence, outputs: Sequence) -> int:
    """Query times key, and weights times value: (B, H, Q, D), (B, H, S, D), (B, H, S, D')."""
    from fvcore.nn.jit_handles import get_shape

    *batch, queries, features = get_shape(inputs[0]) or []
    *_, keys, value_features = get_shape(inputs[2]) or []
    return math.prod(batch) * queries * keys * (features + value_features)


def cost_table(columns: Mapping[str, Counts], depth: int = 2) -> str:
    """Counts side by side as text, with their share of the whole, modules indented.

    Args:
        columns: counts by heading.
        depth: levels of modules to show.
    """
    headings = [("module", "left")]
    for heading in columns:
        headings += [(heading, "right"), ("%", "right")]
    rows = []
    for name in next(iter(columns.values())):
        level = name.count(".") + 1 if name else 0
        if level <= depth and any(counts[name] for counts in columns.values()):
            cells = ["  " * level + name.rpartition(".")[2] if name else "all"]
            for counts in columns.values():
                share = counts[name] / max(counts[""], 1)
                cells += [_readable(counts[name]), f"{100 * share:.1f}"]
            rows.append(cells)
    return "\n".join(text_table(headings, rows))


def _readable(number: int) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)
