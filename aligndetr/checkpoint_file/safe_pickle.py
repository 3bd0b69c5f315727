"""Reading foreign pickles without running what they contain.

A pickle may name any callable for the reader to call. Here only these are called: the rebuilding
of numpy arrays, plain containers, and `argparse.Namespace` (a bag of values that research code
saves beside its weights).
"""

from __future__ import annotations

import argparse
import collections
import pickle
from typing import IO, Any, Literal

import numpy as np

from aligndetr.errors import UntrustedError

# What torch.save wrote first into its files before torch 1.6.
LEGACY_TORCH_MAGIC = 0x1950A86A20F9469CFC6C


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Stand-in for `_codecs.encode`, by which old pickles write raw array bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes encoded as {encoding!r}")
    return text.encode("latin1")


def _admitted() -> dict[str, Any]:
    reconstruct, _, _ = np.empty(0).__reduce__()
    scalar, _ = np.float64(0).__reduce__()
    admitted = {
        "collections.OrderedDict": collections.OrderedDict,
        "argparse.Namespace": argparse.Namespace,
        "numpy.ndarray": np.ndarray,
        "numpy.dtype": np.dtype,
        "_codecs.encode": _encode,
    }
    for package in ("numpy.core", "numpy._core"):  # before and since numpy 2
        admitted[f"{package}.multiarray._reconstruct"] = reconstruct
        admitted[f"{package}.multiarray.scalar"] = scalar
        admitted[f"{package}.numeric._frombuffer"] = _frombuffer
    for package in ("builtins", "__builtin__"):  # Python 3 and 2
        for kind in (set, frozenset, bytearray, complex):
            admitted[f"{package}.{kind.__name__}"] = kind
    return admitted


def _frombuffer(
    buffer: bytes, dtype: np.dtype, shape: tuple[int, ...], order: Literal["C", "F", "A"]
) -> np.ndarray:
    """Stand-in for numpy's helper that rebuilds arrays of pickle protocol 5."""
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order=order).copy()


ADMITTED = _admitted()
NUMPY_DTYPES = sorted({type(np.dtype(code)) for code in "?bBhHiIlLqQefdFDSU"}, key=str)


class RestrictedUnpickler(pickle.Unpickler):
    """An unpickler that builds only what `ADMITTED` names."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the admitted object of that name; any other is refused."""
        try:
            return ADMITTED[f"{module}.{name}"]
        except KeyError:
            raise refusal(f"{module}.{name}") from None


def refusal(name: str) -> UntrustedError:
    """The error for a pickle that asks for the object `name`."""
    return UntrustedError(
        f"it contains {name}, refused because reading it could run foreign code; admitted are "
        "tensors, numpy arrays and plain containers. If you trust its author: "
        "train.trust_checkpoint=true for a training to go on, else read it with the library that "
        "wrote it and save its weights alone"
    )


def load_pickle(file: IO[bytes]) -> Any:
    """Read one pickled object, of Python 2 or 3.

    Raises:
        UntrustedError: it contains an object that is not admitted.
        pickle.UnpicklingError, EOFError, ...: the stream is broken.
    """
    return RestrictedUnpickler(file, encoding="latin1").load()
