"""The GPU implementation: arguments and results of the Triton kernels.

The gradient of the value uses atomic additions, whose order varies from run to run, or, after
`torch.use_deterministic_algorithms(True)`, a sort and one sum a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import triton
from torch import Tensor

from aligndetr.layers.ms_deform_attn import triton_kernels as kernels

ELEMENTS_A_WARP = 512  # of a block of points and channels; more would not fit into registers


@dataclass(frozen=True)
class Problem:
    """The contiguous inputs of a call; shapes as in `cpp.forward`, levels (L,3) int32."""

    value: Tensor
    levels: Tensor
    points: Tensor
    scores: Tensor
    reference: Tensor | None

    @property
    def places(self) -> tuple[Tensor | None, ...]:
        """What says where a kernel samples and with which weight."""
        return self.levels, self.points, self.scores, self.reference

    @property
    def items(self) -> int:
        """Programs: one an image, query and head."""
        B, Q, H = self.points.shape[:3]
        return B * Q * H

    @property
    def sizes(self) -> tuple[int, int]:
        """Tokens and queries, which differ from image to image."""
        return self.value.shape[1], self.points.shape[1]

    @property
    def constants(self) -> dict[str, int]:
        """What a model fixes, as the kernels are compiled for it."""
        size = 0 if self.reference is None else self.reference.shape[-1]
        return constants(size, *self.value.shape[2:], *self.points.shape[3:5])


def constants(size: int, heads: int, channels: int, levels: int, points: int) -> dict[str, int]:
    """Constants and options of the kernels for references of `size` numbers (0: locations)."""
    block = (triton.next_power_of_2(levels * points), triton.next_power_of_2(channels))
    warps = min(max(block[0] * block[1] // ELEMENTS_A_WARP, 1), 16)
    sizes = {"SIZE": size, "H": heads, "D": channels, "L": levels, "P": points}
    # Fusion of products and sums is said, as its default changes with triton's version.
    options = {"num_warps": warps, "enable_fp_fusion": True}
    return {**sizes, "N": block[0], "M": block[1], **options}


def _problem(
    value: Tensor, shapes: Sequence[int], points: Tensor, scores: Tensor, reference: Tensor | None
) -> Problem:
    anchors = None if reference is None else reference.contiguous()
    levels = _levels(shapes, value.device)
    return Problem(value.contiguous(), levels, points.contiguous(), scores.contiguous(), anchors)


def _levels(shapes: Sequence[int], device: torch.device) -> Tensor:
    """(L, 3) int32: width, height, first token."""
    rows, start = [], 0
    for h, w in zip(shapes[::2], shapes[1::2], strict=True):
        rows.append((w, h, start))
        start += h * w
    return torch.tensor(rows, dtype=torch.int32).to(device, non_blocking=True)


def forward(
    value: Tensor, shapes: Sequence[int], points: Tensor, scores: Tensor, reference: Tensor | None
) -> Tensor:
    """Attend on GPU; arguments and result as `cpp.forward`, dtypes float32, bfloat16, float16."""
    problem = _problem(value, shapes, points, scores, reference)
    B, Q, H = points.shape[:3]
    out = value.new_empty((B, Q, H * value.shape[3]))
    if out.numel():
        kernels.attend[(problem.items,)](
            *problem.places, problem.value, out, *problem.sizes, **problem.constants
        )
    return out


def backward(
    grad_out: Tensor,
    value: Tensor,
    shapes: Sequence[int],
    points: Tensor,
    scores: Tensor,
    reference: Tensor | None,
    needs_reference: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of value, points, scores and, if it is needed, reference (else an empty tensor)."""
    problem = _problem(value, shapes, points, scores, reference)
    grad_out = grad_out.contiguous()
    grad_value = torch.zeros_like(problem.value, dtype=torch.float32)
    grad_points, grad_scores = torch.empty_like(problem.points), torch.empty_like(problem.scores)
    by_head = None
    if needs_reference and reference is not None:
        by_head = grad_value.new_empty((*points.shape[:4], reference.shape[-1]))
    if grad_points.numel():
        kernels.differentiate_points[(problem.items,)](
            *problem.places, problem.value, grad_out, grad_points, grad_scores, by_head,
            *problem.sizes, **problem.constants,
        )  # fmt: skip
        in_order = torch.are_deterministic_algorithms_enabled()
        (_add_in_order if in_order else _add_atomically)(problem, grad_out, grad_value)
    grad_reference = grad_value.new_empty((0,)) if by_head is None else by_head.sum(2)
    return grad_value.to(value.dtype), grad_points, grad_scores, grad_reference


def _add_atomically(problem: Problem, grad_out: Tensor, grad_value: Tensor) -> None:
    kernels.scatter_value[(problem.items,)](
        *problem.places, grad_out, grad_value, *problem.sizes, **problem.constants
    )


def _add_in_order(problem: Problem, grad_out: Tensor, grad_value: Tensor) -> None:
    """Value gradient without atomics: sort the notes by token, then add up those of each token."""
    B, S, H, _ = grad_value.shape
    device = grad_value.device
    notes = problem.scores.numel() * 4
    tokens = torch.empty(notes, dtype=torch.int64, device=device)
    factors = grad_value.new_empty(notes)
    kernels.note_value[(problem.items,)](
        *problem.places, tokens, factors, *problem.sizes, **problem.constants
    )
    ordered, order = tokens.sort(stable=True)
    begins = torch.searchsorted(ordered, torch.arange(B * H * S + 1, device=device))
    kernels.sum_notes[(B * H * S,)](
        grad_out, order, begins, factors, grad_value, S, **sum_constants(problem.constants)
    )


def sum_constants(constants: dict[str, int]) -> dict[str, int]:
    """Those of `sum_notes`, whose programs hold one row of channels."""
    known = {name: constants[name] for name in ("H", "D", "L", "P", "M", "enable_fp_fusion")}
    return {**known, "num_warps": 1}
