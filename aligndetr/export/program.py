"""From a detector to a program of tensor operators that all formats are made of."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from aligndetr.errors import ExportError
from aligndetr.export.graph import DetectionGraph
from aligndetr.layers.ms_deform_attn.reference import fused_reference, sample_reference
from aligndetr.layers.ms_deform_attn.selection import keep_operator
from aligndetr.layers.tracing import KNOWS_EXPORTS

TRACED_BATCH = 2  # a batch of one would be frozen, without a word


@dataclass(frozen=True)
class Canvas:
    """What images are put on.

    Attributes:
        height, width: in pixels.
        batch: images.
        fixed: whether the program takes this and nothing else; else it was only traced with it.
    """

    height: int
    width: int
    batch: int = TRACED_BATCH
    fixed: bool = False

    def example(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """Arguments of a `DetectionGraph`; the last image leaves some of the canvas."""
        shape = (self.batch, 3, self.height, self.width)
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        sizes = torch.tensor([[self.height, self.width]] * self.batch)
        sizes[-1] -= torch.tensor([self.height // 8, self.width // 10])
        return images.to(dtype), sizes, 2 * sizes


def trace(
    graph: DetectionGraph, canvas: Canvas, dtype: torch.dtype = torch.uint8
) -> ExportedProgram:
    """Record a graph; deformable attention stays one operator, see `keep_operator`.

    Args:
        graph: on the CPU.
        canvas: to trace with; unless it is fixed, batch, height and width stay free.
        dtype: of the images.

    Raises:
        ExportError: a part depends on its data in a way that cannot be recorded, or torch is older
            than 2.7.
    """
    if not KNOWS_EXPORTS:
        installed = f"torch {torch.__version__} is installed"
        raise ExportError(f"exporting needs torch 2.7, and {installed}: pip install 'torch>=2.7'")
    dynamic = None if canvas.fixed else _free_sizes()
    example = canvas.example(dtype)
    try:
        with torch.no_grad(), keep_operator(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.export(graph, example, dynamic_shapes=dynamic, strict=False)
    except ExportError:
        raise
    except Exception as error:
        part = _failing_part(graph.detector, error)
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ExportError(f"{part} cannot be exported: {reason}") from error


def _free_sizes() -> dict[str, dict[int, object]]:
    batch = {0: Dim.DYNAMIC}
    images = {**batch, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    return {"images": images, "sizes": batch, "original_sizes": batch}


def _failing_part(detector: nn.Module, error: Exception) -> str:
    """The innermost part of the detector that was running."""
    names = {id(module): name for name, module in detector.named_modules()}
    part = "the model"
    for frame, _ in traceback.walk_tb(error.__traceback__):
        module = frame.f_locals.get("self")
        if names.get(id(module)):
            part = f"model.{names[id(module)]} ({type(module).__name__})"
    return part


def in_plain_operators(program: ExportedProgram) -> ExportedProgram:
    """The same program with GridSample, in float32, in place of our operator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return program.run_decompositions(DECOMPOSITIONS)


def _decomposed(
    value: Tensor, shapes: Sequence[int], points: Tensor, scores: Tensor, reference: Tensor | None
) -> Tensor:
    pairs = list(zip(shapes[::2], shapes[1::2], strict=True))
    if reference is None:
        return sample_reference(value, pairs, points, scores)
    return fused_reference(value, pairs, points, scores, reference)


DECOMPOSITIONS: dict[torch._ops.OpOverload, Callable[..., Tensor]] = {
    torch.ops.aligndetr.deform_attn.default: _decomposed
}
