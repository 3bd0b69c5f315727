"""Golden numbers: where they are, how a test reads them, and one test for each file and case.

Nothing here knows a size or a hyper-parameter: the suite runs on any folder of the same format.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


def folder() -> Path:
    """$ALIGNDETR_GOLDEN if it is set, else tests/data/golden."""
    named = os.environ.get("ALIGNDETR_GOLDEN")
    return Path(named) if named else ROOT / "tests" / "data" / "golden"


@dataclass(frozen=True)
class Golden:
    """One golden file, or one case in it: the arrays whose names start with `prefix`."""

    path: Path
    prefix: str = ""

    @property
    def whole(self) -> Golden:
        """The file, all cases."""
        return replace(self, prefix="")

    @property
    def names(self) -> list[str]:
        """Array names without the prefix."""
        return [
            n.removeprefix(self.prefix) for n in _arrays(self.path) if n.startswith(self.prefix)
        ]

    @property
    def json(self) -> Any:
        """The content of a .json file."""
        return json.loads(self.path.read_text())

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in _arrays(self.path)

    def __getitem__(self, name: str) -> Any:
        """A tensor; a Python scalar for 0-d arrays; (a list of) strings."""
        array = _arrays(self.path)[self.prefix + name]
        if array.ndim == 0:
            return array.item()
        return array.tolist() if array.dtype.kind == "U" else torch.from_numpy(array.copy())

    def get(self, name: str, default: Any = None) -> Any:
        """The array, or `default` where the file has none."""
        return self[name] if self.prefix + name in _arrays(self.path) else default

    def ints(self, name: str) -> list[int]:
        """An array of integers as plain Python ones."""
        return self[name].tolist()

    def shape_pairs(self, name: str) -> list[tuple[int, int]]:
        """Level sizes (height, width) as the operator wants them."""
        return [(height, width) for height, width in self.ints(name)]

    def __str__(self) -> str:
        return "-".join(part for part in (self.path.stem, self.prefix.rstrip("_")) if part)


@cache
def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def files(pattern: str) -> list[Golden]:
    """The golden files that match a glob pattern, sorted."""
    return [Golden(path) for path in sorted(folder().glob(pattern))]


def numbered(golden: Golden) -> list[str]:
    """Prefixes c0_, c1_, ... of a file with several cases."""
    return [f"c{index}_" for index in range(golden["num_cases"])]


def matching(pattern: str) -> Callable[[Golden], list[str]]:
    """Prefixes: the first group of the array names that match all of `pattern`."""

    def prefixes(golden: Golden) -> list[str]:
        found = (re.fullmatch(pattern, name) for name in golden.names)
        return list(dict.fromkeys(match[1] for match in found if match))

    return prefixes


def for_each(
    *patterns: str, cases: Callable[[Golden], Iterable[str]] = lambda golden: [""]
) -> Callable[[Callable], Callable | None]:
    """Make one test of the function for each case of each file, as its argument `case`.

    With no such file the function is replaced by None: there is no test then, not even a skip.
    """
    found = [
        replace(golden, prefix=prefix)
        for pattern in patterns
        for golden in files(pattern)
        for prefix in cases(golden)
    ]
    if not found:
        return lambda function: None
    return pytest.mark.parametrize("case", found, ids=str)


@cache
def fills() -> ModuleType:
    """The fill.py that lies beside the golden files."""
    spec = importlib.util.spec_from_file_location("golden_fill", folder() / "fill.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def filled(name: str, shape: Iterable[int]) -> torch.Tensor:
    """The float64 values of the parameter or buffer `name`."""
    return torch.from_numpy(np.ascontiguousarray(fills().fill_array(name, tuple(shape))))


def fill_like(module: torch.nn.Module, name: Callable[[str], str] = lambda key: key) -> None:
    """Make a module float64 and fill every entry of its state, named `name(our key)`."""
    module.double()
    state = {key: filled(name(key), value.shape) for key, value in module.state_dict().items()}
    module.load_state_dict(state)
