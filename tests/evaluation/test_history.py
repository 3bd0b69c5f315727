"""Reading the metrics of a run."""

import json

import pytest

from aligndetr.errors import DataError
from aligndetr.evaluation.history import read_metrics


def write(path, entries, tail=""):
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries) + tail)
    return path


def test_resumed_run_and_cut_line(tmp_path):
    """Iterations 2 and 3 were written before the kill and again after the resume."""
    entries = [{"iteration": i, "total_loss": float(i)} for i in (0, 1, 2, 3)]
    entries += [{"iteration": i, "total_loss": 10.0 + i} for i in (2, 3, 4)]
    entries += [{"iteration": 4, "bbox/AP": 33.0, "note": "text"}]
    path = write(tmp_path / "metrics.json", entries, tail='{"iteration": 5, "total_lo')
    metrics = read_metrics(path)
    assert set(metrics) == {"total_loss", "bbox/AP"}
    assert metrics["total_loss"][0].tolist() == [0, 1, 2, 3, 4]
    assert metrics["total_loss"][1].tolist() == [0, 1, 12, 13, 14]
    assert metrics["bbox/AP"][0].tolist() == [4]


def test_missing_and_empty_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.json"):
        read_metrics(tmp_path / "nothing.json")
    with pytest.raises(DataError, match="holds no metrics"):
        read_metrics(write(tmp_path / "empty.json", [], tail="[1, 2]\n3\n"))
