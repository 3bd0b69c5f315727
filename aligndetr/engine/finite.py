"""Whether a state is made of numbers: no NaN in it, and no infinity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from aligndetr.distributed import local
from aligndetr.errors import some


def infinite_buffers(model: nn.Module) -> set[str]:
    """Names of buffers that may hold infinities.

    A module declares them by an attribute `infinite_buffers`, the names of its own.
    """
    return {
        f"{prefix}.{name}" if prefix else name
        for prefix, module in model.named_modules()
        for name in getattr(module, "infinite_buffers", ())
    }


def describe_nonfinite(state: Any, infinite: Collection[str] = frozenset()) -> str | None:
    """How many tensors hold NaN or infinity, and the names of some; None if there are none.

    Of sharded tensors it looks at the parts of this process.

    Args:
        state: tensors in nested dicts and lists, for example a model's `state_dict`.
        infinite: names of tensors that may hold infinities, see `infinite_buffers`.
    """
    tensors = dict(_tensors(state))
    # whatever holds NaN or infinity has no finite sum; of the few others without one each is read
    sums = {name: tensor.sum() for name, tensor in tensors.items() if not _is_exact(tensor)}
    bad = [name for name in _where_not_finite(sums) if _is_wrong(tensors[name], name in infinite)]
    if not bad:
        return None
    return f"{len(bad)} of {len(tensors)} tensors are not finite ({some(bad)})"


def describe_nonfinite_model(model: nn.Module) -> str | None:
    """The same of a model's weights and buffers, but for the infinities that it declares."""
    return describe_nonfinite(model.state_dict(), infinite_buffers(model))


def _is_exact(tensor: Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex())


def _is_wrong(tensor: Tensor, may_be_infinite: bool) -> bool:
    return bool((tensor.isnan() if may_be_infinite else ~tensor.isfinite()).any())


def _where_not_finite(scalars: Mapping[str, Tensor]) -> list[str]:
    """Names of them; the host waits for each device once."""
    devices = defaultdict(list)
    for name, value in scalars.items():
        devices[value.device].append((name, value.isfinite()))
    found = []
    for named in devices.values():
        finite = torch.stack([flag for _, flag in named]).tolist()
        found += [name for (name, _), fine in zip(named, finite, strict=True) if not fine]
    return found


def _tensors(state: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(state, Tensor):
        yield name, local(state.detach())
    entries = enumerate(state) if isinstance(state, list | tuple) else ()
    for key, value in state.items() if isinstance(state, Mapping) else entries:
        yield from _tensors(value, f"{name}.{key}" if name else str(key))
