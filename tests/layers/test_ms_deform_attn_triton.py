"""The Triton kernels against the reference: interpreted on CPU (opt-in), compiled on a GPU.

TRITON_INTERPRET=1 pytest -m slow tests/layers/test_ms_deform_attn_triton.py
"""

import os

import pytest
import torch

from aligndetr.layers.ms_deform_attn.reference import fused_reference, sample_reference

pytest.importorskip("triton")
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
if not INTERPRETED and not torch.cuda.is_available():
    pytest.skip("needs a GPU or TRITON_INTERPRET=1", allow_module_level=True)

from aligndetr.layers.ms_deform_attn import triton_kernels  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
DEVICE = "cpu" if INTERPRETED else "cuda"
SHAPES = [(4, 5), (2, 2), (1, 1)]
FLAT = [4, 5, 2, 2, 1, 1]


def exact(inputs, grad_out):
    leaves = [None if t is None else t.double().requires_grad_() for t in inputs]
    if leaves[3] is None:
        out = sample_reference(leaves[0], SHAPES, leaves[1], leaves[2])
    else:
        out = fused_reference(leaves[0], SHAPES, *leaves[1:])
    wanted = [leaf for leaf in leaves if leaf is not None]
    return [out.detach(), *torch.autograd.grad(out, wanted, grad_out.double())]


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [0, 2, 4])
@pytest.mark.parametrize("dim", [6, 32])
def test_against_reference(size, dtype, dim, deterministic):
    if INTERPRETED and dtype == torch.bfloat16:
        pytest.skip("the interpreter computes in numpy, which has no bfloat16")
    torch.manual_seed(0)
    value = torch.randn(2, 25, 2, dim, device=DEVICE).to(dtype)
    points, scores = torch.randn(2, 3, 2, 3, 3, 2, device=DEVICE), torch.randn(2, 3, 2, 3, 3)
    scores = scores.to(DEVICE)
    reference = torch.rand(2, 3, 3, size, device=DEVICE) if size else None
    if size:
        points, scores = (points * 2).to(dtype), scores.to(dtype)
    points.view(-1)[::37] = float("nan")
    grad_out = torch.randn(2, 3, 2 * dim, device=DEVICE).to(dtype)
    inputs = [value, points, scores, reference]
    torch.use_deterministic_algorithms(deterministic)
    try:
        out = triton_kernels.forward(value, FLAT, points, scores, reference)
        grads = triton_kernels.backward(
            grad_out, value, FLAT, points, scores, reference, bool(size)
        )
    finally:
        torch.use_deterministic_algorithms(False)
    tolerance = 2e-5 if dtype == torch.float32 else 2**-7
    expected = exact([t if t is None else t.nan_to_num(1e4) for t in inputs], grad_out)
    for ours, theirs in zip([out, *grads], expected, strict=False):
        torch.testing.assert_close(ours.double(), theirs, atol=tolerance, rtol=tolerance)
