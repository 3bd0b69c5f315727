"""Parts of a model through `torch.compile`."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from aligndetr.engine.activation_checkpointing import model_parts

COMPILE = "train.compile"


def compile_parts(model: nn.Module, parts: Sequence[str]) -> None:
    """Compile parts of a model in place; parameters, their names and the results stay.

    The first steps take longer, a minute or more. What is compiled then serves images of all
    sizes: PyTorch keeps eight versions of a part, and goes on without compiling after these. Needs
    a C++ compiler on the CPU.

    Args:
        model: changed in place.
        parts: attributes of the model, such as "backbone", "encoder", "decoder".

    Raises:
        ConfigError: the model has no such part.
    """
    for part in model_parts(model, parts, COMPILE).values():
        part.compile(dynamic=True)
