"""The oracle sees each of the faults that it looks for."""

import json
import os
import time
import zipfile

import pytest

from tests.faults.bench import final_state, snapshot
from tests.faults.child import Outcome, in_child
from tests.faults.disturbed import damaged
from tests.faults.oracle import MARKER, judge, judge_end, judge_folder


@pytest.mark.parametrize(
    "outcome, fault",
    [
        (Outcome(2, "error: x.json is empty; give another\n"), None),
        (Outcome(2, "aligndetr train: error: x.json: no such file\n"), None),
        (Outcome(1, "found errors in x.json\n"), None),
        (Outcome(0, ""), None),
        (Outcome(None, "x.json"), "hang"),
        (Outcome(139, "x.json"), "traceback"),
        (Outcome(2, "Traceback (most recent call last):\n  x.json"), "traceback"),
        (Outcome(2, "error: it is empty\n"), "sentence"),
        (Outcome(2, "x.json is empty\n"), "sentence"),
        (Outcome(2, "error: x.json\nerror: x.json\n"), "sentence"),
        (Outcome(2, f"error: x.json{'!' * 4000}\n"), "sentence"),
        (Outcome(1, "something is wrong\n"), "sentence"),
    ],
)
def test_ends_of_commands(outcome, fault):
    assert [problem.fault for problem in judge(outcome, ["x.json"])] == [fault] * bool(fault)


def test_files_that_change_or_appear(tmp_path):
    for name in ("kept", "changed", "removed"):
        (tmp_path / name).write_text(name)
    before = snapshot(tmp_path)
    assert not list(judge_folder(tmp_path, before, before))
    (tmp_path / "changed").write_text("x")
    (tmp_path / "removed").unlink()
    (tmp_path / ".model.pth.abc.part").touch()
    (tmp_path / MARKER).touch()
    problems = list(judge_folder(tmp_path, before, snapshot(tmp_path)))
    assert [problem.fault for problem in problems] == ["execution", "loss", "loss", "loss"]


def test_checkpoints_that_are_cut_or_garbled(tmp_path):
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "model_0000001.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data", b"0123456789")
    whole = path.read_bytes()
    assert not list(damaged(tmp_path))
    for spoilt in (whole[:-5], whole.replace(b"0123", b"0124")):
        path.write_bytes(spoilt)
        assert [problem.fault for problem in damaged(tmp_path)] == ["loss"]


def test_ends_that_differ(tmp_path):
    line = {"iteration": 1, "bbox/AP": 3.0, "time": 1.5}
    for name in ("config.yaml", "model_final.pth"):
        (tmp_path / name).write_text("same")
    (tmp_path / "metrics.json").write_text(json.dumps(line))
    whole = final_state(tmp_path)
    (tmp_path / "metrics.json").write_text(json.dumps({**line, "time": 2.5}))
    assert not list(judge_end(tmp_path, whole, Outcome(0, "")))
    (tmp_path / "metrics.json").write_text(json.dumps({**line, "bbox/AP": 4.0}))
    (tmp_path / "model_final.pth").write_text("other")
    [problem] = judge_end(tmp_path, whole, Outcome(0, ""))
    assert problem.fault == "difference"
    assert problem.text.startswith("model_final.pth, metrics.json differ")


def test_a_child_that_ends_in_any_way(tmp_path):
    def sleep():
        time.sleep(60)

    def crash():
        os.abort()

    def interrupt():
        raise KeyboardInterrupt

    def say():
        print(os.getcwd())
        return 5

    assert in_child(say, tmp_path) == Outcome(5, f"{tmp_path}\n")
    assert in_child(sleep, tmp_path, limit=0.1).code is None
    assert in_child(crash, tmp_path).code == 134
    assert "Traceback" in in_child(interrupt, tmp_path).output
    assert in_child(lambda: 3 if os.getpgid(0) == os.getpid() else 4, tmp_path).code == 3
