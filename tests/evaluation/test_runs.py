"""Runs below a folder, from files written by hand."""

import json
import os
import subprocess
import sys

import pytest

from aligndetr.errors import UserError
from aligndetr.evaluation.runs import find_runs

PLAN = "[10:00:00] {} iterations = 1.50 epochs of 8 images: steps of 4 images\n"
LINE = "[10:00:09] iter {}/{}  epoch 1.00  0:00:01 left\n"


@pytest.fixture
def write_run(tmp_path):
    """Write a run: its AP by iteration, its config as YAML, its log."""

    def write(name, precision=(), config="train: {seed: 3}\n", log="", files=()):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        lines = [
            {"iteration": at, "bbox/AP": value, "total_loss": 100 - at, "time": 0.5}
            for at, value in precision
        ]
        (folder / "metrics.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
        if config is not None:
            (folder / "config.yaml").write_text(config)
        if log:
            (folder / "log.txt").write_text(log)
        for file in files:
            (folder / file).touch()
        return folder

    return write


def only(runs):
    (run,) = runs
    return run


def test_key_figures(write_run, tmp_path):
    write_run("a", [(9, 30.0), (19, 40.0), (29, None), (39, 35.0)])
    run = only(find_runs(tmp_path))
    names = ("run", "iter", "AP", "AP50", "best", "loss", "seed", "bbox/AP", "train.seed", "x.y")
    assert [run.value(name) for name in names] == [
        "a", 40, 35.0, None, 40.0, 61.0, 3, 35.0, 3, None,
    ]  # fmt: skip
    assert run.value("time") == 40 * 0.5


@pytest.mark.parametrize(
    "log, config, planned, state",
    [
        (PLAN.format(40), "train: {}", 40, "finished"),
        (PLAN.format(60), "train: {}", 60, "interrupted"),
        (PLAN.format(60) + LINE.format(40, 60), "train: {max_iter: 40}", 60, "interrupted"),
        (PLAN.format(40) + PLAN.format(80), "train: {}", 80, "interrupted"),  # resumed, longer
        (PLAN.format(60) + "[10:00:09] 40 iterations in 3 s\n", "train: {}", 60, "interrupted"),
        ("[10:00:00] 60 iterations: steps of 4 images\n", "train: {}", 60, "interrupted"),
        ("", "train: {max_iter: 40}", 40, "finished"),
        ("", "train: {max_iter: null}", None, "interrupted"),
    ],
)
def test_how_far_it_is(write_run, tmp_path, log, config, planned, state):
    write_run("a", [(39, 1.0)], config, log)
    run = only(find_runs(tmp_path))
    assert (run.planned, run.state) == (planned, state)


def test_a_foreign_run_with_final_weights_is_finished(write_run, tmp_path):
    write_run("a", [(39, 1.0)], config=None, files=["model_final.pth"])
    run = only(find_runs(tmp_path))
    assert (run.planned, run.seed, run.state) == (None, None, "finished")


def test_results_tell_an_early_end_from_an_interruption(write_run, tmp_path):
    folder = write_run("a", [(39, 1.0)], log=PLAN.format(60), files=["results.json"])
    os.utime(folder / "metrics.json", (100, 100))
    os.utime(folder / "results.json", (101, 101))
    assert only(find_runs(tmp_path)).state == "finished"
    os.utime(folder / "metrics.json", (102, 102))  # resumed since
    assert only(find_runs(tmp_path)).state == "interrupted"


@pytest.mark.skipif(sys.platform == "win32", reason="locks are Unix's")
def test_a_run_that_another_process_holds_is_running(write_run, tmp_path):
    folder = write_run("a", [(39, 1.0)], log=PLAN.format(40))
    code = (
        "import fcntl, sys; file = open(sys.argv[1], 'a+'); fcntl.lockf(file, fcntl.LOCK_EX);"
        "print('held', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(folder / ".lock")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, **pipes) as process:
        process.stdout.readline()
        assert only(find_runs(tmp_path)).state == "running"
        process.stdin.close()
        process.wait()
    assert only(find_runs(tmp_path)).state == "finished"


def test_damaged_and_just_begun_runs_are_shown_with_what_there_is(write_run, tmp_path):
    broken = write_run("deep/er/broken", config="{{{", log="\xff")
    (broken / "metrics.json").write_bytes(b'{"iteration": 9, "lo')
    (broken / "log.txt").write_bytes(b"\xff\xfe\n" + PLAN.format(7).encode())
    begun = write_run("begun", config="train: {seed: 1}", log=PLAN.format(9))
    (begun / "metrics.json").unlink()
    os.makedirs(tmp_path / "no_run")
    (tmp_path / "no_run" / "config.yaml").write_text("train: {}")
    found = [(r.name, r.iterations, r.planned, r.seed, r.value("AP")) for r in find_runs(tmp_path)]
    assert found == [("begun", 0, 9, 1, None), ("deep/er/broken", 0, 7, None, None)]


def test_evaluations_are_no_runs(write_run, tmp_path):
    folder = write_run("a", [(39, 1.0)], log=PLAN.format(40))
    for name in ("eval-val", "begun"):
        (folder / name).mkdir()
        for file in ("config.yaml", "log.txt"):
            (folder / name / file).touch()
    (folder / "eval-val" / "results.json").touch()
    assert [run.name for run in find_runs(tmp_path)] == ["a", "a/begun"]


def test_where_there_is_nothing(tmp_path):
    with pytest.raises(UserError, match="no run there"):
        find_runs(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        find_runs(tmp_path / "typo")
