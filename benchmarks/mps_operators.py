"""What a step asks of Apple's MPS, without one: operators that PyTorch has no kernel for there.

python -m benchmarks.mps_operators    (writes a part of docs/kernels.md)

Operators are seen as `benchmarks.launches` sees them, with the sampling that such a device gets.
What has a kernel stands in the table that PyTorch is generated from, which its wheel carries.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import torch
import torchgen
from torchgen.gen import parse_native_yaml
from torchgen.model import BackendIndex, DispatchKey, NativeFunction

from benchmarks.generated import replace_section
from benchmarks.launches import DOCS, evaluation, training_step
from benchmarks.workload import make_batch

MODELS = (
    "aligndetr_tiny",
    "dab_deformable_detr_tiny",
    "detr_tiny",
    "h_deformable_detr_tiny",
    "rtdetr_tiny",
    "dino_dat_tiny",
)
FOR_CUDA = {  # where a GPU stands in for others, too
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_efficient_attention_backward",
}


@cache
def _table() -> tuple[dict[str, NativeFunction], BackendIndex]:
    """Operators by name, and those with a kernel for MPS."""
    folder = Path(torchgen.__file__).parent / "packaged/ATen/native"
    found = parse_native_yaml(str(folder / "native_functions.yaml"), str(folder / "tags.yaml"))
    by_name = {str(each.func.name): each for each in found.native_functions}
    return by_name, found.backend_indices[DispatchKey.MPS]


def has_kernel(operator: str) -> bool:
    """Whether an operator such as "add.Tensor" runs there, by itself or as a sum of others.

    Raises:
        KeyError: PyTorch has no such operator.
    """
    by_name, kernels = _table()
    function = by_name[operator.removesuffix(".default")]
    if function.structured_delegate is not None:
        function = by_name[str(function.structured_delegate)]
    return function.has_composite_kernel or kernels.has_kernel(function)


def lacking(operators: Iterable[str]) -> set[str]:
    """Those without a kernel there; ours and those of attention on CUDA are not asked for."""
    names = {name for name in operators if not name.startswith("aligndetr")}
    return {name for name in names if name.split(".")[0] not in FOR_CUDA and not has_kernel(name)}


def asked_by(name: str) -> tuple[set[str], set[torch.dtype]]:
    """Operators and dtypes of a training step and an evaluation of a shipped config."""
    batch = make_batch(1, 128) + make_batch(1, 96)
    both = [make(name, batch, "reference") for make in (training_step, evaluation)]
    operators = {operator for launches in both for operator in launches.operators}
    return operators, set().union(*(launches.dtypes for launches in both))


def summary() -> str:
    """What all models ask for, and what of it is missing."""
    operators, dtypes = (set().union(*each) for each in zip(*map(asked_by, MODELS), strict=True))
    missing = ", ".join(f"`{name}`" for name in sorted(lacking(operators))) or "none"
    kinds = ", ".join(sorted(str(kind).removeprefix("torch.") for kind in dtypes))
    return (
        f"PyTorch {torch.__version__.split('+')[0]}; a training step and an evaluation of "
        + ", ".join(f"`{name}`" for name in MODELS)
        + f":\n\n- {len(operators)} operators; without a kernel for MPS: {missing}.\n"
        + f"- What they compute is {kinds}."
    )


if __name__ == "__main__":
    replace_section(DOCS, "mps", summary())
    print(DOCS)
