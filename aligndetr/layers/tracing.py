"""Whether a program is being traced, so that its tensors are no data."""

import torch


def is_tracing() -> bool:
    """Whether what runs is being compiled, exported or traced."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def is_exporting() -> bool:
    """Whether it is being traced for use outside of PyTorch."""
    return torch.jit.is_tracing() or torch.onnx.is_in_onnx_export() or torch.compiler.is_exporting()
