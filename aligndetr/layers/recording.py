"""Whether a program is being recorded, so that its tensors are no data."""

import torch


def is_recording() -> bool:
    """Whether what runs is compiled, exported or traced."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def is_exporting() -> bool:
    """Whether the program is being recorded for use outside of PyTorch."""
    return torch.jit.is_tracing() or torch.onnx.is_in_onnx_export() or torch.compiler.is_exporting()
