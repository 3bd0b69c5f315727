import logging
import multiprocessing
import os
import shutil
import signal

import pytest

from aligndetr.engine.run_folder import held, logging_later, logging_to
from aligndetr.errors import UserError

logger = logging.getLogger("aligndetr.test")


def hold(folder, told):
    with held(folder):
        told.send(os.getpid())
        signal.pause()


@pytest.fixture
def holder(tmp_path):
    """The id of another process that trains in the folder."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=hold, args=(tmp_path, there))
    process.start()
    assert here.poll(30)
    yield here.recv()
    process.kill()
    process.join()


def test_two_trainings_in_one_folder_are_refused(tmp_path, holder):
    message = rf"another training uses {tmp_path} \(process {holder} on .+\).*train\.output_dir"
    with pytest.raises(UserError, match=message), held(tmp_path):
        pytest.fail("went in")


def test_the_dead_hold_nothing(tmp_path, holder):
    os.kill(holder, signal.SIGKILL)
    os.waitid(os.P_PID, holder, os.WEXITED | os.WNOWAIT)
    with held(tmp_path):
        pass


def test_children_of_the_dead_hold_nothing(tmp_path):
    """Loading processes outlive a training that was killed for some seconds."""
    with held(tmp_path):
        child = os.fork()
        if not child:
            signal.pause()
            os._exit(0)
    other = multiprocessing.get_context("fork").Process(target=enter, args=(tmp_path,))
    other.start()
    other.join(30)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert other.exitcode == 0


def enter(folder):
    with held(folder):
        pass


def test_a_folder_is_free_again_after_its_training(tmp_path):
    for _ in range(2):
        with held(tmp_path):
            pass


def replace(folder):
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / ".lock").write_text("")


@pytest.mark.parametrize("remove", [shutil.rmtree, replace])
def test_a_folder_that_was_removed_is_an_error_at_the_end(tmp_path, remove):
    folder = tmp_path / "run"
    folder.mkdir()
    context = held(folder)
    context.__enter__()
    remove(folder)
    with pytest.raises(UserError, match=r"run was removed or replaced.*log\.txt"):
        context.__exit__(None, None, None)


def test_an_earlier_error_counts_more_than_the_folder(tmp_path):
    context = held(tmp_path)
    context.__enter__()
    (tmp_path / ".lock").unlink()
    error = ZeroDivisionError()
    assert not context.__exit__(ZeroDivisionError, error, None)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device")
def test_a_log_on_a_full_disk_is_one_line_and_an_error_at_the_end(tmp_path, capsys):
    (tmp_path / "log.txt").symlink_to("/dev/full")
    message = r"cannot write .*log\.txt: No space left on device; free some space"
    context = logging_to(tmp_path)
    context.__enter__()
    logger.info("one")
    logger.info("two")
    with pytest.raises(UserError, match=message):
        context.__exit__(None, None, None)
    printed = capsys.readouterr().err
    assert printed.count("No space left") == 1
    assert "Traceback" not in printed
    assert "two" in printed
    assert not logging.getLogger("aligndetr").handlers


def test_a_log_that_cannot_be_opened(tmp_path):
    (tmp_path / "log.txt").mkdir()
    message = r"cannot write .*log\.txt: Is a directory"
    with pytest.raises(UserError, match=message), logging_to(tmp_path):
        pytest.fail("went in")
    with pytest.raises(UserError, match=message), logging_later() as log_to:
        log_to(tmp_path)


def test_a_log_waits_for_its_folder(tmp_path, capsys):
    with logging_later() as log_to:
        logger.info("one")
        logger.warning("two %d", 2)
        assert "one" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []
        log_to(tmp_path)
        logger.info("three")
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert [line.partition("] ")[2] for line in lines] == ["one", "warning: two 2", "three"]
    assert not logging.getLogger("aligndetr").handlers


def test_what_waits_for_a_folder_that_is_never_made_is_dropped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with logging_later():
        logger.info("one")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device")
def test_a_log_that_waited_for_a_full_disk_is_an_error_at_the_end(tmp_path):
    (tmp_path / "log.txt").symlink_to("/dev/full")
    context = logging_later()
    log_to = context.__enter__()
    logger.info("one")
    log_to(tmp_path)
    with pytest.raises(UserError, match="No space left on device"):
        context.__exit__(None, None, None)
