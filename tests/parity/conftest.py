"""The comparison that every parity test uses; it remembers what `report.py` writes down."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from tests.parity.golden import Golden


class Comparison:
    """Assert that our numbers are the golden ones, and record by how much they differ."""

    def __init__(self, case: Golden, record: Callable[[str, object], None]) -> None:
        self.case = case
        self.record = record

    def __call__(
        self, name: str, ours, expected, *, atol: float, rtol: float = 0.0, where=None
    ) -> None:
        """|ours - expected| <= atol + rtol |expected|, everywhere or where a mask is True."""
        ours = torch.as_tensor(ours, dtype=torch.float64).detach()
        expected = torch.as_tensor(expected, dtype=torch.float64)
        assert ours.shape == expected.shape, f"{name}: {ours.shape} against {expected.shape}"
        if where is not None:
            ours, expected = ours[where], expected[where]
        same = ours == expected  # inf == inf counts as no error
        error = torch.where(same, torch.zeros_like(ours), (ours - expected).abs())
        allowed = atol + rtol * expected.abs()
        worst = float(error.max()) if error.numel() else 0.0
        self._remember(name, error.numel(), worst, _tolerance(atol, rtol))
        outside = ~(error <= allowed)
        assert not outside.any(), (
            f"{name}: {int(outside.sum())} of {error.numel()} differ, the worst by {worst:.3g} "
            f"(tolerance {_tolerance(atol, rtol)})"
        )

    def equal(self, name: str, ours, expected) -> None:
        """Integers, strings, sets: the same."""
        size = len(expected) if hasattr(expected, "__len__") else 1
        self._remember(name, size, 0.0 if ours == expected else float("inf"), "equal")
        assert ours == expected, name

    def _remember(self, name: str, count: int, error: float, tolerance: str) -> None:
        entry = {"name": name, "count": count, "error": error, "tolerance": tolerance}
        self.record("parity", {"family": self.case.path.name, **entry})


def _tolerance(atol: float, rtol: float) -> str:
    return f"{atol:g} + {rtol:g} x" if rtol else f"{atol:g}"


@pytest.fixture
def compare(case: Golden, record_property: Callable[[str, object], None]) -> Comparison:
    """Compare and record; `case` is the test's golden case."""
    return Comparison(case, record_property)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small double-precision problems: threads cost more than they bring on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests of whole models file by file, so that each model is built once."""
    mine = [index for index, item in enumerate(items) if item.path.name == "test_detectors.py"]
    ordered = sorted((items[index] for index in mine), key=lambda i: str(i.callspec.params["case"]))
    for index, item in zip(mine, ordered, strict=True):
        items[index] = item
