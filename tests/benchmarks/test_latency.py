"""The table of every way to run a model: it goes on where it was stopped, and sums up by hand."""

import json

import numpy as np
import pytest

from benchmarks import latency, sections

IMAGES = np.zeros((2, 3, 8, 8), np.uint8)


def counted(log):
    return {name: lambda images, name=name: log.append(name) for name in ("ours", "theirs")}


def test_a_run_that_was_stopped_goes_on():
    def stop():
        raise KeyboardInterrupt

    log, found = [], {}
    with pytest.raises(KeyboardInterrupt):
        latency.measure(counted(log), found, IMAGES, 3, stop)
    assert {name: len(times) for name, times in found.items()} == {"ours": 1, "theirs": 1}
    kept = [list(times) for times in found.values()]
    log.clear()
    latency.measure(counted(log), found, IMAGES, 3, lambda: None)
    assert [times[:1] for times in found.values()] == kept
    assert all(len(times) == 3 for times in found.values())
    assert log == ["ours", "theirs"] * 3  # a warm-up, and the two turns that were missing


def test_another_candidate_begins_anew():
    log, found = [], {"ours": [1.0, 1.0, 1.0]}
    latency.measure(counted(log), found, IMAGES, 2, lambda: None)
    assert {name: len(times) for name, times in found.items()} == {"ours": 2, "theirs": 2}
    assert max(found["ours"]) != 1.0


def test_the_table_by_hand(tmp_path):
    runs = {"ours": [100.0, 300.0, 200.0], "theirs": [200.0, 300.0, 800.0]}
    results = {"size": 64, "runs": {"a model, batch 4": runs}}
    ours, theirs = latency.summary(results)
    assert (ours["median_ms"], ours["p95_ms"], ours["faster"]) == (200.0, 300.0, 1.0)
    assert theirs["images_per_s"] == pytest.approx(4 / 0.3)
    assert theirs["faster"] == 0.5  # of 100/200, 300/300 and 200/800
    machine = {"cpu": "c", "cores": 2, "threads": 2, "torch": "t", "python": "p"}
    found = {"machine": machine, "results": json.loads(json.dumps(results))}
    lines = sections.latency_section(found)
    assert "| theirs | 300 ms | 800 ms | 13.33 | 0.50x |" in lines


def test_what_another_size_was_measured_with_is_not_gone_on_from(tmp_path):
    path = tmp_path / "latency.json"
    path.write_text(json.dumps({"results": {"size": 64, "runs": {"a, batch 1": {}}}}))
    assert latency.read_runs(path, 64)["runs"] == {"a, batch 1": {}}
    assert latency.read_runs(path, 640) == {"size": 640, "runs": {}}


def test_only_ways_that_are_asked_for_and_there_are_built(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(latency, "random_model", lambda name, overrides: (None, "model"))
    monkeypatch.setattr(latency, "eager", lambda model, bf16=False: model)
    place = latency.Place(tmp_path, 64, 1)
    way = "PyTorch, ours, fp32"
    assert latency.candidates("any", (), place, (way,)) == {way: "model"}
    monkeypatch.setattr(latency.importlib.util, "find_spec", lambda name: None)
    assert latency.candidates("any", (), place, ("OpenVINO",)) == {}
    said = capsys.readouterr().out
    assert "left out, openvino is not installed: OpenVINO, fp32" in said
    assert "left out, nncf is not installed: OpenVINO, int8" in said
    assert list(tmp_path.iterdir()) == []


def test_the_best_of_ours_beside_the_best_file():
    runs = {
        "PyTorch, ours, fp32": [200.0, 200.0, 200.0],
        "PyTorch, ours, optimised, fp32": [100.0, 110.0, 120.0],
        "PyTorch, published ways, fp32": [10.0, 10.0, 10.0],
        "ONNX Runtime, fp32": [300.0, 300.0, 300.0],
        "OpenVINO, fp32": [150.0, 220.0, 120.0],
        "OpenVINO, int8": [50.0, 50.0, 50.0],
    }
    # 150/100, 220/110 and 120/120
    found = latency.best_of_both(runs)
    assert found == ("PyTorch, ours, optimised, fp32", "OpenVINO, fp32", 1.5)
    assert latency.best_of_both({"OpenVINO, fp32": [1.0]}) is None
