"""How glibc treats the memory of tensors on the CPU that are freed."""

from __future__ import annotations

import ctypes
import os

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # M_... of <malloc.h>
MIB = 2**20
FRUGAL = {MMAP_THRESHOLD: MIB, TRIM_THRESHOLD: MIB}
GENEROUS = {MMAP_THRESHOLD: 1024 * MIB, TRIM_THRESHOLD: 2**31 - 1}


def tune_allocator(frugal: bool) -> bool:
    """Choose between less memory and fewer page faults, for this process.

    By default glibc gives large pieces back to the system when they are freed and has them filled
    with zeros when it asks for the next; who asks for the same sizes again and again, step by step
    or image by image, waits for that. docs/performance.md has what both choices cost and gain.

    Args:
        frugal: pieces from 1 MiB on go back to the system at once, and leave no holes; otherwise
            what is freed is kept.

    Returns:
        Whether it was done: not with another C library, nor where the environment variables of
        malloc state what the user wants.
    """
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None:
        return False
    settings = FRUGAL if frugal else GENEROUS
    accepted = [mallopt(option, value) == 1 for option, value in settings.items()]
    return all(accepted)
