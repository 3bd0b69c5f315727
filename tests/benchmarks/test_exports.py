"""A detector as files beside itself: AP of the gate, times of turns, a table."""

import numpy as np
import pytest

from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.export.exporting import Source, Wish
from benchmarks import exports, sections


def test_speed_is_the_median_of_turns():
    # ratios 30/10, 20/40, 50/25
    times = {"eager": [30.0, 20.0, 50.0], "file": [10.0, 40.0, 25.0]}
    [row] = [row for row in exports.summarise(times, "eager") if row["name"] == "file"]
    assert (row["median_ms"], row["speedup"]) == (25.0, 2.0)


def test_every_way_sees_every_image_in_turns():
    log = []
    ways = {name: lambda image, name=name: log.append((name, image)) for name in "ab"}
    times = exports._times(ways, [7, 8])
    warm_up, turns = log[:2], log[2:]
    assert warm_up == [("a", 7), ("b", 7)]
    assert turns == [("a", 7), ("b", 7), ("a", 8), ("b", 8)]
    assert {name: len(found) for name, found in times.items()} == {"a": 2, "b": 2}


def test_a_file_has_the_precision_that_the_gate_found(monkeypatch):
    pytest.importorskip("onnxruntime")
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    words = ["train.device=cpu", "model.num_classes=6", "model.num_queries=12"]
    words += ["dataloader.test.dataset.names=shapes_mini_val"]
    source = Source(LazyConfig.apply_overrides(config, words), None)
    asked = []
    judge = exports.export

    def spy(source, wish, folder, proof):
        outcome = judge(source, wish, folder, proof)
        asked.append(next(f.value for f in outcome.judgement.figures if f.name == "AP of the file"))
        return outcome

    monkeypatch.setattr(exports, "export", spy)
    rows = exports.measure(source, {"file": Wish("onnx")}, 2)
    assert [row.name for row in rows] == [exports.EAGER, exports.OPTIMISED, "file"]
    assert asked == [rows[-1].AP]
    assert rows[0].megabytes is None
    assert rows[-1].megabytes > 1  # a million parameters of four bytes
    assert np.isfinite([row.median_ms for row in rows]).all()
    assert rows[0].faster == 1.0


def test_what_is_lost_stands_in_the_table():
    row = {"AP": 60.0, "megabytes": None, "median_ms": 40.0, "faster": 1.0}
    rows = [row | {"name": "PyTorch"}, row | {"name": "int8", "AP": 59.75, "megabytes": 2.5}]
    machine = {"cpu": "c", "cores": 2, "threads": 2, "torch": "t", "python": "p"}
    lines = sections.exports_section(
        {"machine": machine, "results": {"title": "cells", "rows": rows}}
    )
    assert lines[0] == "## AP lost and time won (cells)"
    assert "| int8 | 59.75 | 0.25 | 2.5 MB | 40.0 ms | 1.00x |" in lines
