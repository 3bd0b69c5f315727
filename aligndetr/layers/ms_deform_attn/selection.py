"""Which implementation runs where: the default for a device and dtype, and how to force one.

The environment variable ALIGNDETR_MSDA (reference, cpp or triton), read at import, or the context
manager `use_implementation` force one. Export and tracing see the reference formulation, since
other programs do not know the compiled operators; but inside of `keep_operator` they see the
operator itself, for exporters that have a translation of it.
"""

import functools
import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec

import torch

from aligndetr.errors import UserError
from aligndetr.layers.ms_deform_attn import cpp

VARIABLE = "ALIGNDETR_MSDA"
NAMES = ("reference", "cpp", "triton")
TRITON_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
HAS_TRITON = find_spec("triton") is not None

_logger = logging.getLogger(__name__)


def obstacle(name: str, device: str, dtype: torch.dtype) -> str | None:
    """Why implementation `name` cannot serve a device type and dtype; None if it can."""
    if name == "cpp":
        if device != "cpu":
            return f"cpp runs on cpu, not on {device}"
        if dtype not in cpp.TYPES:
            return f"cpp has no {dtype}"
        return cpp.DESCRIPTION if cpp.LIBRARY is None else None
    if name == "triton":
        if device != "cuda":
            return f"triton runs on cuda devices, not on {device}"
        if dtype not in TRITON_DTYPES:
            return f"the triton kernels have no {dtype}"
        return None if HAS_TRITON else "triton is not installed"
    return None


def explain(device: str, dtype: torch.dtype) -> tuple[str, str]:
    """Name of the implementation for a device type and dtype, and why it is this one.

    Raises:
        UserError: an implementation is forced that cannot serve this device type and dtype.
    """
    if _forced is not None:
        if reason := obstacle(_forced, device, dtype):
            raise UserError(
                f"deformable attention: {_forced} is forced, but {reason}; unset {VARIABLE} or "
                "leave use_implementation to choose automatically"
            )
        return _forced, "forced"
    preferred = "cpp" if device == "cpu" else "triton"
    if reason := obstacle(preferred, device, dtype):
        return "reference", reason
    return preferred, cpp.DESCRIPTION if preferred == "cpp" else "triton kernels"


def implementation(device: str = "cpu", dtype: torch.dtype = torch.float32) -> str:
    """Name of the implementation that serves a device type ("cpu", "cuda") and dtype."""
    return explain(device, dtype)[0]


def _known(name: str | None) -> str | None:
    if name is not None and name not in NAMES:
        raise UserError(f"unknown deformable attention {name!r}: choose one of {', '.join(NAMES)}")
    return name


# For all threads, unlike a context variable (which torch.compile cannot read, either): on GPUs,
# layers whose activations are not kept are computed again in a thread of autograd's, and there it
# has to be the same implementation.
_forced: str | None = _known(os.environ.get(VARIABLE) or None)
_kept = False


@contextmanager
def use_implementation(name: str | None) -> Generator[None]:
    """Force one implementation ("reference", "cpp", "triton") inside a `with` block.

    It holds for all threads; None chooses by device and dtype.

    Raises:
        UserError: there is no implementation of this name.
    """
    global _forced
    before, _forced = _forced, _known(name)
    try:
        yield
    finally:
        _forced = before


@contextmanager
def keep_operator() -> Generator[None]:
    """Inside a `with` block `torch.export` records `aligndetr::deform_attn` as one operator."""
    global _kept
    before, _kept = _kept, True
    try:
        yield
    finally:
        _kept = before


def is_kept() -> bool:
    """Whether exported programs shall hold the operator itself."""
    return _kept


@functools.cache
def log_choice(device: str, dtype: torch.dtype) -> None:
    """Say once a process, device type and dtype what runs and why."""
    name, reason = explain(device, dtype)
    level = logging.WARNING if name == "reference" and reason != "forced" else logging.INFO
    _logger.log(level, "deformable attention on %s, %s: %s (%s)", device, dtype, name, reason)
