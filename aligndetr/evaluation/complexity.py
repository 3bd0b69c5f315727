"""What a model costs: parameters, multiply-adds and activations of each module."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aligndetr.structures import ImageBatch


@dataclass
class ModuleCost:
    """One module with everything inside it, for one image.

    Attributes:
        name: as in `named_modules`; "" is the whole model.
        parameters: learnable or not, shared ones once.
        flops: multiply-adds, counted as one each, of one evaluation.
        activations: elements that convolutions and matrix products write.
    """

    name: str
    parameters: int
    flops: int
    activations: int


class _Traceable(nn.Module):
    """A detector's way from pixels to predictions, tensors in and out."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        predictions, _, _ = self.detector.detect(ImageBatch.from_images([pixels]))
        return predictions.logits, predictions.boxes


def module_costs(model: nn.Module, image_size: tuple[int, int]) -> list[ModuleCost]:
    """Costs of all modules for a random image, in the order of `named_modules`.

    Args:
        model: a `Detector`; left as it was.
        image_size: (height, width) in pixels as the model sees it.
    """
    from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis, parameter_count

    from aligndetr.evaluation.inference import evaluation_mode

    pixels = torch.rand(3, *image_size, device=next(model.parameters()).device)
    with evaluation_mode(model), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing: shapes become constants, as they should
        counts = []
        for analysis in (FlopCountAnalysis, ActivationCountAnalysis):
            counter = analysis(_Traceable(model), pixels)
            counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
            counter.tracer_warnings("none")
            if analysis is FlopCountAnalysis:
                counter.set_op_handle("aten::scaled_dot_product_attention", _attention_flops)
            counts.append(counter.by_module())
    flops, activations = counts
    parameters = parameter_count(model)
    costs = []
    for name, _ in model.named_modules():
        traced = f"detector.{name}" if name else ""
        costs.append(ModuleCost(name, parameters[name], flops[traced], activations[traced]))
    return costs


def _attention_flops(inputs: Sequence, outputs: Sequence) -> int:
    """Query times key, and weights times value: (B, H, Q, D) x (B, H, S, D), (B, H, S, D')."""
    from fvcore.nn.jit_handles import get_shape

    *batch, queries, features = get_shape(inputs[0])
    *_, keys, value_features = get_shape(inputs[2])
    heads = 1
    for size in batch:
        heads *= size
    return heads * queries * keys * (features + value_features)


def cost_table(costs: Sequence[ModuleCost], columns: Sequence[str], depth: int = 2) -> str:
    """Costs as text, 80 columns wide.

    Args:
        costs: of `module_costs`.
        columns: of "parameters", "flops", "activations", those to show.
        depth: levels of modules to show.
    """
    from io import StringIO

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("module", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
        table.add_column("%", justify="right", no_wrap=True)
    total = costs[0]
    for cost in costs:
        level = cost.name.count(".") + 1 if cost.name else 0
        values = [(getattr(cost, column), getattr(total, column)) for column in columns]
        if level <= depth and any(value for value, _ in values):
            name = Text("  " * level + cost.name.rpartition(".")[2] if level else "all")
            shares = [(_readable(v), f"{100 * v / whole:.1f}") for v, whole in values if whole]
            table.add_row(name, *(text for pair in shares for text in pair))
    console = Console(file=StringIO(), width=80, force_terminal=False)
    console.print(table)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines() if line.strip())


def _readable(number: int) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)
