"""The compiled implementation: loads the library that `setup.py` built from `csrc/`, if it did."""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from aligndetr.layers.ms_deform_attn.reference import accumulation_dtype

VERSION = 1  # of the interface in csrc/problem.h; a library of another one is not used
TYPES = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2}


class Problem(ctypes.Structure):
    """`MsdaProblem` of csrc/problem.h, where the fields are described."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("batch", "tokens", "queries", "heads", "channels")),
        *((name, ctypes.c_int64) for name in ("levels", "points_per_level", "reference_size")),
        ("threads", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("shapes", "value", "points", "scores", "reference")),
        *((name, ctypes.c_void_p) for name in ("workspace", "out", "grad_out", "grad_value")),
        *((name, ctypes.c_void_p) for name in ("grad_points", "grad_scores", "grad_reference")),
    ]


def load_library(folder: Path) -> tuple[ctypes.CDLL | None, str]:
    """Open the compiled library in `folder`.

    Returns:
        The library, or None where it cannot be used, and a sentence that says why.
    """
    paths = [path for path in sorted(folder.glob("libmsda.*")) if path.suffix in (".so", ".pyd")]
    if not paths:
        return None, "the compiled library was not built (no C++17 compiler at install time?)"
    try:
        library = ctypes.CDLL(str(paths[0]))
        library.msda_version.restype = ctypes.c_int64
        version = library.msda_version()
    except (OSError, AttributeError) as error:
        return None, f"the compiled library does not load: {error}"
    if version != VERSION:
        return None, f"the compiled library has interface {version}, not {VERSION}: reinstall"
    library.msda_workspace.restype = ctypes.c_int64
    library.msda_instruction_set.restype = ctypes.c_char_p
    library.msda_threading.restype = ctypes.c_char_p
    instructions = library.msda_instruction_set().decode()
    return library, f"compiled library, {instructions}, {library.msda_threading().decode()}"


# Another folder is for builds with sanitizers: see csrc/sanitize.py.
LIBRARY, DESCRIPTION = load_library(
    Path(os.environ.get("ALIGNDETR_MSDA_FOLDER", Path(__file__).parent))
)


def _problem(
    value: Tensor,
    shapes: Sequence[int],
    points: Tensor,
    scores: Tensor,
    reference: Tensor | None,
) -> Problem:
    """Describe the inputs, which live as long as the description."""
    value, points, scores = value.contiguous(), points.contiguous(), scores.contiguous()
    reference = None if reference is None else reference.contiguous()
    B, S, H, D = value.shape
    Q, L, P = points.shape[1], points.shape[3], points.shape[4]
    numbers = (ctypes.c_int64 * len(shapes))(*shapes)
    size = 0 if reference is None else reference.shape[-1]
    problem = Problem(B, S, Q, H, D, L, P, size, torch.get_num_threads())
    problem.shapes = ctypes.addressof(numbers)
    problem.value, problem.points = value.data_ptr(), points.data_ptr()
    problem.scores = scores.data_ptr()
    problem.reference = None if reference is None else reference.data_ptr()
    problem.alive = (numbers, value, points, scores, reference)
    return problem


def _run(problem: Problem, dtype: torch.dtype, backward: bool) -> None:
    assert LIBRARY is not None
    size = LIBRARY.msda_workspace(ctypes.byref(problem), TYPES[dtype], int(backward))
    workspace = torch.empty(size, dtype=torch.uint8)
    problem.workspace = workspace.data_ptr()
    call = LIBRARY.msda_backward if backward else LIBRARY.msda_forward
    call(ctypes.byref(problem), TYPES[dtype])


def forward(
    value: Tensor, shapes: Sequence[int], points: Tensor, scores: Tensor, reference: Tensor | None
) -> Tensor:
    """Attend on CPU.

    Args:
        value (B,S,H,D): float32, float64 or bfloat16.
        shapes: height, width of level 0, then of level 1, ...
        points (B,Q,H,L,P,2), scores (B,Q,H,L,P): locations and weights of the accumulation dtype
            if `reference` is None, else offsets and logits of the dtype of `value`.
        reference (B,Q,L,2|4): of the accumulation dtype, or None.

    Returns:
        Tensor (B,Q,H*D).
    """
    problem = _problem(value, shapes, points, scores, reference)
    out = value.new_empty((value.shape[0], points.shape[1], value.shape[2] * value.shape[3]))
    problem.out = out.data_ptr()
    _run(problem, value.dtype, backward=False)
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
    grads = [value.new_empty(value.shape), points.new_empty(points.shape)]
    grads.append(scores.new_empty(scores.shape))
    problem.grad_out, problem.grad_value = grad_out.data_ptr(), grads[0].data_ptr()
    problem.grad_points, problem.grad_scores = grads[1].data_ptr(), grads[2].data_ptr()
    by_head = value.new_empty((0,), dtype=accumulation_dtype(value.dtype))
    if needs_reference and reference is not None:
        B, Q, L, size = reference.shape
        by_head = reference.new_empty((B, Q, value.shape[2], L, size))
        problem.grad_reference = by_head.data_ptr()
    _run(problem, value.dtype, backward=True)
    return grads[0], grads[1], grads[2], by_head.sum(2) if by_head.ndim > 1 else by_head
