"""The Triton kernels against the reference: compiled on a GPU, else in Triton's interpreter.

pytest -m gpu tests/gpu_offline/test_kernels.py    (without a GPU: TRITON_INTERPRET=1 before it,
which `test_interpreter.py` does, as triton has to know it before it is imported)
"""

import os

import pytest
import torch

from aligndetr.layers.ms_deform_attn.reference import fused_reference, sample_reference

pytest.importorskip("triton", reason="pip install aligndetr[kernels]")
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
if not INTERPRETED and not torch.cuda.is_available():
    pytest.skip("needs a GPU or TRITON_INTERPRET=1", allow_module_level=True)

triton_calls = pytest.importorskip("aligndetr.layers.ms_deform_attn.triton_calls")
kernels = triton_calls.kernels

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore")]
DEVICE = "cpu" if INTERPRETED else "cuda"
SHAPES = [(2, 3), (1, 2), (1, 1)]
FLAT = [2, 3, 1, 2, 1, 1]
DTYPES = [torch.float32, torch.bfloat16, torch.float16]


@pytest.fixture
def deterministic(request):
    torch.use_deterministic_algorithms(request.param)
    yield
    torch.use_deterministic_algorithms(False)


def make_inputs(size, dtype, dim):
    """Two images, two queries, two heads, three points a level; some points are not numbers."""
    value = torch.randn(2, 9, 2, dim, device=DEVICE).to(dtype)
    points = torch.randn(2, 2, 2, 3, 3, 2, device=DEVICE)
    scores = torch.randn(2, 2, 2, 3, 3, device=DEVICE)
    reference = torch.rand(2, 2, 3, size, device=DEVICE) if size else None
    if size:
        points, scores = (points * 2).to(dtype), scores.to(dtype)
    points.view(-1)[::37] = float("nan")
    grad_out = torch.randn(2, 2, 2 * dim, device=DEVICE).to(dtype)
    return [value, points, scores, reference], grad_out


def exact(inputs, grad_out):
    leaves = [None if t is None else t.nan_to_num(1e4).double().requires_grad_() for t in inputs]
    if leaves[3] is None:
        out = sample_reference(leaves[0], SHAPES, leaves[1], leaves[2])
    else:
        out = fused_reference(leaves[0], SHAPES, *leaves[1:])
    wanted = [leaf for leaf in leaves if leaf is not None]
    return [out.detach(), *torch.autograd.grad(out, wanted, grad_out.double())]


def run(inputs, grad_out):
    value, points, scores, reference = inputs
    out = triton_calls.forward(value, FLAT, points, scores, reference)
    grads = triton_calls.backward(
        grad_out, value, FLAT, points, scores, reference, reference is not None
    )
    return [out, *grads]


CASES = [(size, dtype, 6, False) for size in (0, 2, 4) for dtype in DTYPES]
if INTERPRETED:  # seconds each: every size and every dtype, but not all pairs
    CASES = [*CASES[::4], (4, torch.float32, 32, False)]
CASES += [(0, torch.float16, 6, True), (4, torch.bfloat16, 6, True)]


@pytest.mark.parametrize(
    ("size", "dtype", "dim", "deterministic"), CASES, indirect=["deterministic"]
)
def test_against_reference(size, dtype, dim, deterministic):
    torch.manual_seed(0)
    inputs, grad_out = make_inputs(size, dtype, dim)
    tolerance = 2e-5 if dtype == torch.float32 else 2**-7
    for ours, theirs in zip(run(inputs, grad_out), exact(inputs, grad_out), strict=False):
        torch.testing.assert_close(ours.double(), theirs, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("deterministic", [True], indirect=True)
def test_the_ordered_backward_gives_the_same_bits_whatever_the_atomics_do(deterministic):
    torch.manual_seed(0)
    inputs, grad_out = make_inputs(4, torch.float32, 32)
    inputs[3][:] = torch.tensor([0.5, 0.5, 0.1, 0.1])  # all queries add to the same few tokens
    first, second = run(inputs, grad_out), run(inputs, grad_out)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    # the sum of a token is made in the order of (query, corner, point), here with plain additions
    expected = exact(inputs, grad_out)[1]
    torch.testing.assert_close(first[1].double(), expected, atol=2e-5, rtol=2e-5)


def fenced(tensor):
    """The tensor between two fences of NaN in one piece of memory, and the fences."""
    wide = torch.full((tensor.numel() + 128,), float("nan"), dtype=tensor.dtype, device=DEVICE)
    wide[64:-64] = tensor.flatten()
    return wide[64:-64].view(tensor.shape), (wide[:64], wide[-64:])


@pytest.mark.parametrize(
    ("size", "deterministic"), [(0, True), (4, False)], indirect=["deterministic"]
)
def test_nothing_beside_a_tensor_is_read_or_written(size, deterministic, monkeypatch):
    torch.manual_seed(0)
    inputs, grad_out = make_inputs(size, torch.float32, 6)  # 6 of 8 channels, 9 of 16 points
    expected = run(inputs, grad_out)
    inside = [fenced(t) if t is not None else (None, ()) for t in (*inputs, grad_out)]
    fences = [fence for _, pair in inside for fence in pair]

    def allocate(make):
        def fenced_memory(*args, **kwargs):
            made = make(*args, **kwargs)
            if not made.is_floating_point() or not made.numel():
                return made
            tensor, pair = fenced(made)
            fences.extend(pair)
            return tensor

        return fenced_memory

    for name in ("zeros_like", "empty_like"):
        monkeypatch.setattr(torch, name, allocate(getattr(torch, name)))
    found = run([tensor for tensor, _ in inside[:4]], inside[4][0])
    assert all(fence.isnan().all() for fence in fences)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def sparse(path, count, dtype):
    """Zeros that take no memory until they are touched."""
    with path.open("wb") as file:
        file.truncate(count * dtype.itemsize)
    return torch.from_file(str(path), shared=True, size=count, dtype=dtype)


@pytest.mark.skipif(not INTERPRETED, reason="a GPU has no sparse memory")
@pytest.mark.parametrize("dtype", DTYPES)
def test_values_of_more_than_two_to_the_31_elements(tmp_path, dtype):
    height, width, dim = 2**13 + 1, 2**13, 32
    tokens = height * width
    assert (tokens - 1) * dim > 2**31
    value = sparse(tmp_path / "value", tokens * dim, dtype).view(1, tokens, 1, dim)
    value[0, -1] = 3.0
    points = torch.tensor([(width - 0.5) / width, (height - 0.5) / height]).view(1, 1, 1, 1, 1, 2)
    scores = torch.full((1, 1, 1, 1, 1), 0.5)
    out = triton_calls.forward(value, [height, width], points, scores, None)
    # the last pixel's centre, with weight 1/2; a location is known to 2^-24, a pixel to 2^-10
    torch.testing.assert_close(
        out.double(), torch.full((1, 1, dim), 1.5).double(), atol=0.02, rtol=0
    )

    problem = triton_calls._problem(value, [height, width], points, scores, None)
    grad_out = torch.ones(1, 1, dim, dtype=dtype)
    grad_value = sparse(tmp_path / "gradient", tokens * dim, torch.float32).view(value.shape)
    triton_calls._add_atomically(problem, grad_out, grad_value)
    torch.testing.assert_close(grad_value[0, -1], torch.full((1, dim), 0.5), atol=0.01, rtol=0)

    grad_points, grad_scores = torch.empty_like(points), torch.empty_like(scores)
    kernels.differentiate_points[(1,)](
        *problem.places,
        value,
        grad_out,
        grad_points,
        grad_scores,
        None,
        *problem.sizes,
        **problem.constants,
    )
    assert grad_scores.item() == pytest.approx(3.0 * dim, rel=0.01)
