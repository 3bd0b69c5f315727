"""Peaks of memory."""

import sys

import pytest

from aligndetr.engine import memory
from aligndetr.engine.memory import peak_memory


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_the_peak_of_this_process_is_read(tmp_path, monkeypatch):
    assert 0.05 < peak_memory()["max_cpu_memory_gb"] < 1000  # torch alone takes more than 50 MB
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmPeak:\t 9000000 kB\nVmHWM:\t 3145728 kB\nVmRSS:\t 1 kB\n")
    monkeypatch.setattr(memory, "_STATUS", status)
    assert peak_memory()["max_cpu_memory_gb"] == 3.0  # 3 * 1024 * 1024 KiB


def test_other_systems_have_no_figure(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "missing")
    assert "max_cpu_memory_gb" not in peak_memory()
