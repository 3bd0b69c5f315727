"""A disk that is full, a folder that is gone, a process that was killed."""

import errno
import os

import pytest
import torch

from aligndetr.errors import CheckpointError, UserError
from aligndetr.runtime import files
from aligndetr.runtime.files import append_line, atomic_write, remove_unfinished


class Full:
    """A file on a disk that has room for a number of bytes."""

    def __init__(self, file, room):
        self.file = file
        self.room = room

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.file.close()

    def write(self, data):
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(data)


@pytest.fixture
def full_disk(monkeypatch):
    opened = os.fdopen
    monkeypatch.setattr(files.os, "fdopen", lambda *args, **kw: Full(opened(*args, **kw), 1000))


def test_a_checkpoint_on_a_full_disk(tmp_path, full_disk):
    (tmp_path / "x.pth").write_text("old")
    message = r"cannot write .*x\.pth: No space left on device; free some space or choose another"
    with (
        pytest.raises(UserError, match=message),
        atomic_write(tmp_path / "x.pth", "wb") as file,
    ):
        torch.save({"a": torch.zeros(10000)}, file)  # raises an error of its own
    assert (tmp_path / "x.pth").read_text() == "old"
    assert os.listdir(tmp_path) == ["x.pth"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device")
def test_a_line_on_a_full_disk():
    with pytest.raises(UserError, match=r"cannot write /dev/full: No space left.*free some space"):
        append_line("/dev/full", "line")


def test_a_disk_that_fills_when_the_file_is_closed(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(files.os, "fsync", full)
    with (
        pytest.raises(UserError, match=r"cannot write .*x\.json: .*free some space"),
        atomic_write(tmp_path / "x.json") as file,
    ):
        file.write("text")
    assert os.listdir(tmp_path) == []


def test_a_folder_in_the_place_of_a_file(tmp_path):
    (tmp_path / "x.json").mkdir()
    with (
        pytest.raises(UserError, match=r"x\.json: Is a directory"),
        atomic_write(tmp_path / "x.json"),
    ):
        pass


@pytest.mark.parametrize("error", [CheckpointError("of mine"), RuntimeError("x"), KeyError("x")])
def test_other_errors_pass(tmp_path, error):
    with pytest.raises(type(error)) as caught, atomic_write(tmp_path / "x"):
        raise error
    assert caught.value is error
    assert os.listdir(tmp_path) == []


def test_an_interruption_passes_whatever_was_being_written(tmp_path, monkeypatch):
    """torch.save raises an error of its own in the course of it, as when the disk is full."""

    class Interrupted(Full):
        def write(self, data):
            before, self.room = self.room, self.room - len(data)
            if before >= 0 > self.room:
                raise KeyboardInterrupt
            return self.file.write(data)

    opened = os.fdopen
    interrupted = lambda *args, **kw: Interrupted(opened(*args, **kw), 1000)  # noqa: E731
    monkeypatch.setattr(files.os, "fdopen", interrupted)
    with pytest.raises(KeyboardInterrupt), atomic_write(tmp_path / "x.pth", "wb") as file:
        torch.save({"a": torch.zeros(10000)}, file)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_gone_is_made_again(tmp_path):
    append_line(tmp_path / "gone" / "x.json", "1")
    append_line(tmp_path / "gone" / "x.json", "2")
    assert (tmp_path / "gone" / "x.json").read_text() == "1\n2\n"


def test_only_what_was_begun_is_removed(tmp_path):
    (tmp_path / "pictures").mkdir()
    for path in ("a.pth", "pictures/b.png"):
        process = os.fork()
        if not process:
            with atomic_write(tmp_path / path) as file:
                file.write("half")
                os._exit(9)
        os.waitpid(process, 0)
    for name in (".hidden", "x.part", ".settings.yaml"):
        (tmp_path / name).write_text("")
    assert len(list(tmp_path.rglob("*"))) == 6
    assert len(remove_unfinished(tmp_path)) == 2
    assert sorted(os.listdir(tmp_path)) == [".hidden", ".settings.yaml", "pictures", "x.part"]
    assert os.listdir(tmp_path / "pictures") == []
