"""The operator inside PyTorch's machinery, and the choice of its implementation."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from aligndetr.errors import UserError
from aligndetr.layers.ms_deform_attn import (
    fused_ms_deform_attn,
    implementation,
    ms_deform_attn,
    use_implementation,
)
from aligndetr.layers.ms_deform_attn.cpp import LIBRARY, load_library
from aligndetr.layers.ms_deform_attn.registration import deform_attn
from aligndetr.layers.ms_deform_attn.selection import VARIABLE, explain, keep_operator

SHAPES = [(3, 4), (2, 1)]
FLAT = [3, 4, 2, 1]


def fused_inputs():
    torch.manual_seed(0)
    value = torch.randn(2, 14, 2, 4, requires_grad=True)
    offsets = torch.randn(2, 3, 2, 2, 2, 2, requires_grad=True)
    logits = torch.randn(2, 3, 2, 2, 2, requires_grad=True)
    return value, offsets, logits, torch.rand(2, 3, 2, 4, requires_grad=True)


@pytest.mark.parametrize("reference", [True, False] if LIBRARY is not None else [])
def test_opcheck(reference):
    value, points, scores, boxes = fused_inputs()
    torch.library.opcheck(deform_attn, (value, FLAT, points, scores, boxes if reference else None))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_compiles_in_one_graph():
    def attend(value, offsets, logits, reference):
        return fused_ms_deform_attn(value, SHAPES, offsets, logits, reference) * 2

    inputs = fused_inputs()
    expected = attend(*inputs)
    compiled = torch.compile(attend, fullgraph=True, backend="aot_eager")
    out = compiled(*inputs)
    torch.testing.assert_close(out, expected)
    grads = torch.autograd.grad(out.sum(), inputs)
    for grad, exact in zip(grads, torch.autograd.grad(expected.sum(), inputs), strict=True):
        torch.testing.assert_close(grad, exact)


class Attention(torch.nn.Module):
    def forward(self, value, offsets, logits, reference):
        return fused_ms_deform_attn(value, SHAPES, offsets, logits, reference)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_exports_as_plain_pytorch():
    inputs = tuple(tensor.detach() for tensor in fused_inputs())
    program = torch.export.export(Attention(), inputs)
    names = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert not [name for name in names if "aligndetr" in name]
    torch.testing.assert_close(program.module()(*inputs), Attention()(*inputs))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_exports_as_one_operator_where_it_is_kept():
    inputs = tuple(tensor.detach() for tensor in fused_inputs())
    with keep_operator():
        program = torch.export.export(Attention(), inputs)
    names = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert names.count("aligndetr.deform_attn.default") == 1
    assert not [name for name in names if "grid_sampler" in name]


def test_chosen_by_device_and_dtype():
    expected = "reference" if LIBRARY is None else "cpp"
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        assert implementation("cpu", dtype) == expected
    name, reason = explain("cuda", torch.float64)
    assert name == "reference"
    assert "float64" in reason


def test_forced_in_a_block():
    with use_implementation("reference"):
        assert implementation("cpu") == "reference"
        with use_implementation(None):
            assert implementation("cpu") == ("reference" if LIBRARY is None else "cpp")
        assert explain("cpu", torch.float32) == ("reference", "forced")
    with (
        pytest.raises(UserError, match="choose one of reference, cpp, triton"),
        use_implementation("gpu"),
    ):
        pass


def test_forced_in_all_threads():
    """Layers that do not keep their activations are computed again in a thread of autograd's."""
    with use_implementation("reference"), ThreadPoolExecutor() as pool:
        assert pool.submit(explain, "cpu", torch.float32).result() == ("reference", "forced")


@pytest.mark.parametrize("name, dtype", [("triton", torch.float32), ("cpp", torch.float16)])
def test_forced_where_it_cannot_run(name, dtype):
    value = torch.zeros(1, 1, 1, 1, dtype=dtype)
    points = torch.zeros(1, 1, 1, 1, 1, 2, dtype=dtype)
    with use_implementation(name), pytest.raises(UserError, match=f"{name} is forced, but"):
        ms_deform_attn(value, [(1, 1)], points, points[..., 0])


def test_environment_variable():
    code = (
        "from aligndetr.layers.ms_deform_attn import implementation; print(implementation('cpu'))"
    )
    environment = os.environ | {VARIABLE: "reference"}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["reference"]


class TestLibrary:
    def test_absent(self, tmp_path):
        assert load_library(tmp_path) == (
            None,
            "the compiled library was not built (no C++17 compiler at install time?)",
        )

    def test_not_a_library(self, tmp_path):
        (tmp_path / "libmsda.so").write_text("rubbish")
        library, reason = load_library(tmp_path)
        assert library is None
        assert "does not load" in reason


class Pyramid(torch.nn.Module):
    def forward(self, first, second, query):
        levels = (first, second)
        shapes = [tuple(level.shape[2:]) for level in levels]
        value = torch.cat([level.flatten(2).transpose(1, 2) for level in levels], 1)[:, :, None]
        offsets = query[:, :, None, None, None].expand(-1, -1, 1, 2, 1, -1)
        reference = query.sigmoid()[:, :, None].expand(-1, -1, 2, -1)
        return fused_ms_deform_attn(value, shapes, offsets, offsets[..., 0], reference)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_exports_with_dynamic_sizes():
    def inputs(batch, h, w, queries):
        torch.manual_seed(0)
        first, second = torch.randn(batch, 3, 2 * h, 2 * w), torch.randn(batch, 3, h, w)
        return first, second, torch.randn(batch, queries, 2)

    image = {0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    sizes = (image, image, {0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO})
    program = torch.export.export(Pyramid(), inputs(2, 4, 5, 7), dynamic_shapes=sizes).module()
    other = inputs(3, 6, 3, 2)
    torch.testing.assert_close(program(*other), Pyramid()(*other), atol=1e-5, rtol=1e-5)
