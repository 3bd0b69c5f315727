"""`aligndetr watch`: every state of a run, from files written by hand."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from aligndetr import cli
from aligndetr.commands import watch
from aligndetr.engine.run_status import RunFollower

PLAN = "[10:00:00] 100 iterations = 4.00 epochs of 100 images: steps of 4 images\n"
LAST = "[10:00:30] 40 iterations in 20 s, 0.5000 s each; 30 s in all with everything around them\n"
NUMBERS = {
    "total_loss": 12.0,
    "loss_class": 2.0,
    "loss_class_0": 3.0,
    "loss_bbox": 7.0,
    "eta_seconds": 90.0,
    "eval_seconds": 5.0,
    "time": 0.5,
    "data_time": 0.05,
    "images_per_second": 8.0,
    "max_memory_gb": 1.5,
    "max_cpu_memory_gb": 0.75,
}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def write(folder):
    """Write a run that has recorded `done` iterations, with AP 30 at the 20th."""

    def files(done=40, log=PLAN, **more):
        folder.mkdir(exist_ok=True)
        (folder / "config.yaml").write_text("train: {seed: 3}\n")
        (folder / "log.txt").write_text(log)
        boxes = {"bbox/AP": 30.0, "bbox/AP50": 55.5, "bbox/AP-cat": 40.0, "bbox/AP-dog": 20.0}
        lines = [{"iteration": 19, **NUMBERS, **boxes}, {"iteration": done - 1, **NUMBERS, **more}]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / "metrics.json").write_text(text + '{"iteration": 99, "total_lo')  # being written

    return files


@pytest.fixture
def held(folder):
    """Another process holds the folder inside of it, as a training does."""
    code = (
        "import fcntl, sys; file = open(sys.argv[1], 'a'); fcntl.lockf(file, fcntl.LOCK_EX);"
        "print(flush=True); sys.stdin.read()"
    )
    processes = []

    def hold():
        folder.mkdir(exist_ok=True)
        words = [sys.executable, "-S", "-c", code, str(folder / ".lock")]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdout.readline()
        processes.append(process)

    yield hold
    for process in processes:
        process.communicate(b"")


def shown(folder, capsys):
    assert cli.main(["watch", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    return lines


def test_a_running_one(folder, write, held, capsys):
    write(log=PLAN + "[10:00:10] warning: two images are broken\n")
    held()
    os.utime(folder / "metrics.json", (time.time() - 30.2,) * 2)
    os.utime(folder / "log.txt", (time.time() - 40,) * 2)
    lines = shown(folder, capsys)
    assert "".join(lines[:2]).replace(" ", "").endswith("run:training,written0:00:30ago")
    text = "\n".join(lines)
    # 40 of 100; 90 s were left 30 s ago; class 2 + 3; 0.05 of 0.5 s
    assert "━" * 12 + "┄" * 18 + "  iter 40/100  40 %  0:01:00 left" in text
    assert "loss 12.00 = class 5.00 + bbox 7.00" in text
    rest = "0.5 s/iter (10 % of it for data) 8 images/s GPU 1.5 GB CPU 0.8 GB"
    assert rest in " ".join(text.split())  # wherever the line is broken
    assert "Boxes as written at iteration 20, best AP so far 30.0" in text
    assert ["cat", "40.0", "dog", "20.0"] in [line.split() for line in lines]
    assert lines[-2:] == ["Warnings", "[10:00:10] warning: two images are broken"]


def sentence(folder, capsys):
    lines = shown(folder, capsys)
    joined = " ".join(lines[: next((i for i, line in enumerate(lines) if "iter" in line), None)])
    return joined.removeprefix(f"{folder}: ")


def test_one_that_has_begun_and_recorded_nothing(folder, held, capsys):
    held()
    assert sentence(folder, capsys) == "begun; nothing is recorded yet"


def test_one_that_has_not_begun(folder, capsys):
    folder.mkdir()
    assert sentence(folder, capsys) == "not begun; nothing is there yet"
    assert cli.main(["watch", str(folder / "tpyo")]) == 2
    assert "tpyo: no such folder, so no run has begun there" in capsys.readouterr().err


def test_a_finished_one(folder, write, capsys):
    write(done=100)
    assert sentence(folder, capsys) == "finished, 0:00:00 ago"


STOP = "[10:00:31] stopped after iteration 40: interrupted by SIGTERM\n"


def test_a_stopped_one_says_why(folder, write, capsys):
    write(log=PLAN + LAST + STOP)
    said = sentence(folder, capsys)
    assert said.startswith("interrupted by SIGTERM 0:00:00 ago; aligndetr train ")
    assert said.endswith("config.yaml --resume goes on")


@pytest.mark.parametrize(
    "log", [PLAN, PLAN + STOP + "[10:05:00] resuming from model_0000039.pth\n"]
)
def test_a_dead_one_cannot_say_why(folder, write, capsys, log):
    write(log=log)
    assert sentence(folder, capsys).startswith("dead: no process of this machine trains there")


def test_one_that_is_not_evaluated_and_has_no_finite_loss(folder, capsys):
    folder.mkdir()
    line = {"iteration": 3, "total_loss": None, "loss_class": 1.0}  # as NaN is written
    (folder / "metrics.json").write_text(json.dumps(line) + "\n")
    text = "\n".join(shown(folder, capsys))
    assert "iter 4/?" in text
    assert "loss nan = class 1.000" in text
    assert "not evaluated yet" in text


def test_many_classes_and_warnings_are_cut(folder, write, capsys):
    classes = {f"bbox/AP-class{i}": float(i) for i in range(150)}
    log = PLAN + "".join(f"[10:00:{i:02}] warning: number {i} {'long ' * 30}\n" for i in range(9))
    write(log=log, **{"bbox/AP": 25.0, **classes})
    text = "\n".join(shown(folder, capsys))
    assert "the 100 worst of 150 classes" in " ".join(text.split())
    assert "class99 " in text
    assert "class100" not in text
    assert "Warnings, the last 5 of 9" in text
    assert "number 4" in text
    assert "number 3" not in text


def test_it_is_followed_to_its_end_on_a_terminal(folder, write, held, monkeypatch, capsys):
    """Nothing, a lock, numbers, the end: drawn again each time, then left by itself."""
    states = []
    steps = iter([held, write, lambda: write(done=60), KeyboardInterrupt])

    def sleep(_):
        states.append(RunFollower(folder).status().state)
        step = next(steps)
        if step is KeyboardInterrupt:
            raise KeyboardInterrupt
        step()

    monkeypatch.setattr(watch.time, "sleep", sleep)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert cli.main(["watch", str(folder)]) == 0  # left by Ctrl-C
    captured = capsys.readouterr()
    assert states == ["not begun", "starting", "running", "running"]
    assert "interrupted" not in captured.err
    assert "iter 60/100" in captured.out
    write(done=100, log=PLAN + LAST)
    assert RunFollower(folder).status().state == "running"  # held until the end of this test


def test_it_leaves_when_the_run_has_ended(folder, write, monkeypatch, capsys):
    write(done=100)
    monkeypatch.setattr(watch.time, "sleep", lambda _: pytest.fail("there is nothing to wait for"))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert cli.main(["watch", str(folder)]) == 0
    assert "finished" in capsys.readouterr().out


def test_files_are_read_again_only_when_they_changed(folder, write, monkeypatch):
    write()
    follower = RunFollower(folder)
    first = follower.status()
    assert follower.status() is first
    write(done=60)
    assert follower.status().run.iterations == 60


@pytest.mark.parametrize("terminal", [False, True])
def test_its_report_is_served_as_it_is_then(folder, write, monkeypatch, capsys, terminal):
    pages = []

    def visit(_):
        address = re.search(r"report: (http://127\.0\.0\.1:\d+/)", capsys.readouterr().out)
        seen = pages[0][0] if pages else address[1]
        with urllib.request.urlopen(seen, timeout=60) as answer:
            pages.append((seen, answer.read().decode(), answer.headers["Refresh"]))
        if len(pages) == 2:
            raise KeyboardInterrupt
        write(done=80)

    write(done=60)
    monkeypatch.setattr(watch.time, "sleep", visit)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert cli.main(["watch", str(folder), "--port", "0"]) == 0
    assert "Traceback" not in capsys.readouterr().err
    (address, first, refresh), (_, second, _) = pages
    assert first.startswith("<!DOCTYPE html>")
    assert "after 60 of 100 iterations" in first
    assert "after 80 of 100 iterations" in second
    assert refresh is None  # nothing will change: it is dead
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=10)


def test_a_report_that_cannot_be_made_yet_says_so(folder, monkeypatch, capsys):
    folder.mkdir()
    found = []

    def visit(_):
        address = re.search(r"report: (\S+)", capsys.readouterr().out)[1]
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(address, timeout=60)
        found.append(
            (error.value.code, error.value.read().decode(), error.value.headers["Refresh"])
        )
        raise KeyboardInterrupt

    monkeypatch.setattr(watch.time, "sleep", visit)
    assert cli.main(["watch", str(folder), "--port", "0"]) == 0
    [(code, text, refresh)] = found
    assert code == 500
    assert "no run there" in text
    assert refresh == "10"
