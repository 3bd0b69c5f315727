"""The report about the installation notices an operator that is wrong or that fails."""

import pytest

from aligndetr.commands import environment
from aligndetr.layers.ms_deform_attn import use_implementation


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(environment, "QUERIES", 3)


def test_says_what_runs_and_passes():
    text, ok = environment.report_environment()
    assert ok
    for word in ("python", "torch", "float64", "bfloat16", "reference"):
        assert word in text


def test_forced_where_it_cannot_run_is_reported():
    with use_implementation("triton"):
        text, ok = environment.report_environment()
    assert not ok
    assert "triton is forced, but" in text


def test_wrong_results_are_noticed(monkeypatch):
    right = environment.fused_ms_deform_attn

    def wrong(value, *others):
        return right(value, *others) + (1e-3 if value.dtype == environment.torch.float32 else 0.0)

    monkeypatch.setattr(environment, "fused_ms_deform_attn", wrong)
    text, ok = environment.report_environment()
    assert not ok
    assert text.count("TOO LARGE") == 1


def test_a_failing_kernel_is_reported(monkeypatch):
    def broken(*_):
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(environment, "fused_ms_deform_attn", broken)
    text, ok = environment.report_environment()
    assert not ok
    assert "FAILED: no such instruction" in text
