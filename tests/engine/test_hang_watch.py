"""A process that does not come is told from those that wait for it."""

import time

import pytest
import torch.distributed as dist

from aligndetr import distributed
from aligndetr.distributed import Attendance, together
from aligndetr.engine import hang_watch
from aligndetr.engine.hang_watch import HangWatch, Whereabouts, describe_hang
from aligndetr.engine.launch import launch
from aligndetr.engine.watch import LOST_CONTACT
from tests.engine import desync_workers as workers  # by this name started processes find it, too


def test_a_process_that_sleeps_is_named_with_its_stack_and_all_end(capfd):
    assert launch(workers.one_sleeps, num_gpus=2, device="cpu", timeout=2) == LOST_CONTACT
    said = capfd.readouterr().err
    assert "waited 2 s at a barrier; all of them end" in said
    assert "process 1 did not come" in said
    assert "in sleep_in_the_loader" in said
    assert said.count("did not come") == 1


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(hang_watch, "_LOOK_S", 0.02)
    monkeypatch.setattr(hang_watch, "ANSWER_S", 1.0)


@pytest.fixture
def run(quick, caplog):
    """What is logged when processes with these attendances wait 0.1 s for each other."""

    def go(*attendances, silent=0):
        store, ended = dist.HashStore(), []
        count = len(attendances) + silent
        watches = [
            HangWatch(store, 0.1, own, index, count, lambda index=index: ended.append(index))
            for index, own in enumerate(attendances)
        ]
        for watch in watches:
            watch.start()
        for watch in watches:
            watch._thread.join(30)
        assert sorted(ended) == list(range(len(attendances)))
        return caplog.text

    return go


def waiting(count, name):
    return Attendance(count, name, time.monotonic())


def test_who_has_come_to_fewer_points_did_not_come(run):
    text = run(waiting(8, "step 3"), Attendance(7, "step 2"), waiting(8, "step 3"))
    assert "at step 3" in text
    assert "process 1 did not come" in text
    assert "after step 2, is at" in text
    assert text.count("is at\n") == 1


def test_a_process_without_an_answer_is_gone(run):
    text = run(waiting(8, "step 3"), silent=2)
    assert "no answer from process 1, 2:" in text
    assert "none goes on" not in text


def test_if_all_came_all_stacks_are_shown(run):
    text = run(waiting(8, "step 3"), waiting(8, "step 3"))
    assert "all of them came there, and none goes on" in text
    assert text.count("is at\n") == 2


def test_work_of_one_process_alone_may_take_any_time(quick):
    """Only who waits for others can tell that something is wrong."""
    ended = []
    watch = HangWatch(dist.HashStore(), 0.0, Attendance(3, "x"), 0, 1, lambda: ended.append(1))
    watch.start()
    time.sleep(0.2)
    watch.stop()
    assert not ended


def test_a_long_report_shows_some_stacks_only():
    place = Whereabouts(3, "step 1", "node", "a stack\n")
    ahead = Whereabouts(4, "step 2", "node", "a stack\n")
    text = describe_hang({0: ahead} | dict.fromkeys(range(1, 65), place), 65, 600)
    assert "process 1, 2, 3, 4, 5 and 59 more did not come" in text
    assert text.count("a stack") == 8


def test_attendance_counts_nested_points_and_the_wait_since_the_outer_one(monkeypatch):
    own = Attendance()
    monkeypatch.setattr(distributed, "attendance", own)
    with together("step 0"):
        since = own.since
        with together("a sum"):
            assert (own.count, own.name, own.since) == (2, "a sum", since)
        assert own.since == since is not None
    assert (own.count, own.since) == (2, None)
