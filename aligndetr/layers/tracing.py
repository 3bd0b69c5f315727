"""Whether a program is being traced, so that its tensors are no data."""

import torch

KNOWS_EXPORTS = hasattr(torch.compiler, "is_exporting")
"""Whether this torch tells an export from a compilation: 2.7 and newer do."""


def is_tracing() -> bool:
    """Whether what runs is being compiled, exported or traced."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def is_exporting() -> bool:
    """Whether it is being traced for use outside of PyTorch."""
    if torch.jit.is_tracing() or torch.onnx.is_in_onnx_export():
        return True
    return KNOWS_EXPORTS and torch.compiler.is_exporting()
