"""What runs where on this machine, whether it is right, and how fast: `aligndetr doctor --env`."""

import os
import platform
import time
from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor

from aligndetr.errors import UserError
from aligndetr.layers.ms_deform_attn import cpp, fused_ms_deform_attn, selection

SHAPES = [(40, 40), (20, 20), (10, 10), (5, 5)]
QUERIES = 200
# Largest error against float64 that rounding explains, with a margin.
TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}


def report_environment() -> tuple[str, bool]:
    """Describe this installation and test the attention operator on every device.

    Returns:
        The report, several lines, and whether every self-test passed.
    """
    lines = [
        f"python   {platform.python_version()}, {platform.platform()}",
        f"torch    {torch.__version__}, {torch.get_num_threads()} of {os.cpu_count()} cores",
        *_describe_devices(),
        f"library  {cpp.DESCRIPTION}",
        f"triton   {'installed' if selection.HAS_TRITON else 'not installed'}",
        "",
        f"deformable attention, {QUERIES} queries, forward + backward:",
    ]
    ok = True
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        for dtype in TOLERANCES:
            text, passed = _examine(device, dtype)
            lines.append(text)
            ok = ok and passed
    return "\n".join(lines), ok


def _describe_devices() -> list[str]:
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return [f"cuda     {name}" for name in names] or ["cuda     none, all runs on cpu"]


def _examine(device: str, dtype: torch.dtype) -> tuple[str, bool]:
    """One line about one device and dtype: what is used, why, its error and its speed."""
    label = f"  {device:5}{str(dtype).removeprefix('torch.'):10}"
    try:
        name, reason = selection.explain(device, dtype)
    except UserError as error:
        return f"{label}{error}", False
    inputs = _inputs(device, dtype)
    try:
        error = _largest_error(inputs)
        ours = _milliseconds(lambda: _results(inputs, None), device)
    except Exception as failure:
        # Whatever breaks here breaks training too; the report has to go on to the next line.
        return f"{label}{name:10} FAILED: {failure}", False
    passed = error <= TOLERANCES[dtype]
    text = f"{label}{name:10}error {error:.1e} {'ok' if passed else 'TOO LARGE':4}{ours:8.1f} ms"
    if name != "reference":
        plain = _milliseconds(lambda: _results(inputs, "reference"), device)
        text += f"  (reference {plain:.1f} ms, {plain / ours:.1f}x)"
    return f"{text}  {reason}", passed


def _inputs(device: str, dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    tokens = sum(h * w for h, w in SHAPES)
    sizes = [(1, tokens, 8, 32), (1, QUERIES, 8, 4, 4, 2), (1, QUERIES, 8, 4, 4)]
    tensors = [torch.randn(size, generator=generator) for size in sizes]
    tensors.append(torch.rand((1, QUERIES, 4, 4), generator=generator))
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    dtypes = [dtype, dtype, dtype, wide]
    return [
        tensor.to(device, kind).requires_grad_()
        for tensor, kind in zip(tensors, dtypes, strict=True)
    ]


def _results(inputs: list[Tensor], name: str | None) -> list[Tensor]:
    """Output and gradients by an implementation; None is what is used normally."""
    with nullcontext() if name is None else selection.use_implementation(name):
        out = fused_ms_deform_attn(inputs[0], SHAPES, *inputs[1:])
    return [out, *torch.autograd.grad(out.sum(), inputs)]


def _largest_error(inputs: list[Tensor]) -> float:
    """Relative to the largest number of each result, against float64 in plain PyTorch on CPU."""
    exact = [tensor.detach().cpu().double().requires_grad_() for tensor in inputs]
    expected = _results(exact, "reference")
    errors = [
        (ours.cpu().double() - exact).detach().abs().max() / exact.detach().abs().max()
        for ours, exact in zip(_results(inputs, None), expected, strict=True)
    ]
    return float(torch.stack(errors).max())


def _milliseconds(run: Callable[[], object], device: str, repeats: int = 3) -> float:
    """Median time of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    return sorted(times)[repeats // 2]
