"""Files from a server on this machine: right and wrong ones, and connections that are cut."""

import errno
import io
import logging
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from aligndetr.errors import CheckpointError, UserError
from aligndetr.interop import download, references
from aligndetr.interop.download import fetch
from aligndetr.interop.partial_file import PartialFile
from aligndetr.interop.raw_checkpoint import read_checkpoint
from tests.interop.file_server import CONTENT, OTHER, Server, sha256


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(download, "PAUSES_S", (0.0, 0.0, 0.0))
    server = Server()
    yield server
    server.close()


def left(tmp_path):
    return [path for path in (tmp_path / "hub").rglob("*") if path.is_file()]


def test_a_file_is_fetched_once(server, tmp_path):
    path = fetch(f"{server.url}/some/a.pth")
    assert path.name == "a.pth"
    assert path.read_bytes() == CONTENT
    assert fetch(f"{server.url}/some/a.pth") == path
    assert server.asked == [("/some/a.pth", 0)]
    assert left(tmp_path) == [path]


def test_the_right_hash(server, tmp_path):
    assert fetch(f"{server.url}/a.pth#sha256={sha256(CONTENT)}").read_bytes() == CONTENT
    assert server.asked == [("/a.pth", 0)]  # the hash is not part of what is asked for


def test_a_wrong_hash(server, tmp_path):
    message = rf"/a\.pth is not the .*SHA-256 is {sha256(CONTENT)}, expected is {sha256(OTHER)}\."
    with pytest.raises(CheckpointError, match=message):
        fetch(f"{server.url}/a.pth#sha256={sha256(OTHER)}")
    assert left(tmp_path) == []


def test_the_hash_in_a_file_name(server, tmp_path, monkeypatch):
    wrong, right = f"{server.url}/net-{sha256(OTHER)[:8]}.pth", f"{server.url}/net-20240131.pth"
    assert fetch(wrong).read_bytes() == fetch(right).read_bytes() == CONTENT  # may mean anything
    monkeypatch.setattr(download, "HASH_IN_NAME", ("127.0.0.1",))
    with pytest.raises(CheckpointError, match=rf"expected is {sha256(OTHER)[:8]}\.\.\."):
        fetch(wrong)
    right = f"{server.url}/net-{sha256(CONTENT)[:8]}.pth"
    assert fetch(right).read_bytes() == CONTENT
    assert fetch(f"{server.url}/r50_a3_7cdf4587.pth").read_bytes() == CONTENT  # no hyphen: no hash


def test_what_is_cached_is_compared_as_well(server, tmp_path, caplog):
    url = f"{server.url}/a.pth#sha256={sha256(CONTENT)}"
    path = fetch(url)
    path.write_bytes(OTHER)
    assert fetch(url).read_bytes() == CONTENT
    assert f"{path} does not have the SHA-256 {sha256(CONTENT)}: fetched anew" in caplog.text


def test_an_unknown_hash_is_told(server, caplog):
    url = f"{server.url}/a.pth"
    fetch(url)
    assert f"write {url}#sha256={sha256(CONTENT)}" in caplog.text
    caplog.clear()
    fetch(f"{server.url}/b.pth#sha256={sha256(CONTENT)}")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("end", ["md5=0123", "sha256=0123", "sha256=" + "g" * 64, "x"])
def test_an_end_that_is_no_hash(server, end):
    with pytest.raises(CheckpointError, match=r"what follows # must be sha256= and the 64 digits"):
        fetch(f"{server.url}/a.pth#{end}")
    assert server.asked == []


def test_a_cut_connection_is_taken_up_where_it_was(server, tmp_path):
    server.cuts = [1000, 70000]
    path = fetch(f"{server.url}/a.pth#sha256={sha256(CONTENT)}")
    assert path.read_bytes() == CONTENT
    assert server.asked == [("/a.pth", 0), ("/a.pth", 1000), ("/a.pth", 71000)]


def test_another_version_is_fetched_from_its_beginning(server):
    server.cuts = [1000]
    original = server.answer

    def answer(handler):
        original(handler)
        server.content, server.tag = OTHER, '"2"'

    server.answer = answer
    assert fetch(f"{server.url}/a.pth").read_bytes() == OTHER
    assert server.asked == [("/a.pth", 0), ("/a.pth", 0)]


def test_a_server_without_versions_starts_anew(server):
    server.tag, server.cuts = None, [1000]
    assert fetch(f"{server.url}/a.pth").read_bytes() == CONTENT
    assert server.asked == [("/a.pth", 0), ("/a.pth", 0)]


def test_a_connection_that_is_cut_again_and_again(server, tmp_path):
    server.cuts = [1000] * 9
    message = rf"cut after 4000 of {len(CONTENT)} bytes\. Download it where .* the local file"
    with pytest.raises(CheckpointError, match=message):
        fetch(f"{server.url}/a.pth")
    assert len(server.asked) == 4
    assert sorted(path.name for path in left(tmp_path)) == [".a.pth.part", ".a.pth.version"]


def cut_short(server):
    """A file of which 4000 bytes have come: 1000 over each of 4 connections."""
    server.cuts = [1000] * 4
    with pytest.raises(CheckpointError, match="and the next attempt goes on from there"):
        fetch(f"{server.url}/a.pth")
    server.asked.clear()


def test_the_next_attempt_goes_on(server, tmp_path):
    cut_short(server)
    path = fetch(f"{server.url}/a.pth#sha256={sha256(CONTENT)}")
    assert path.read_bytes() == CONTENT
    assert server.asked == [("/a.pth", 4000)]
    assert left(tmp_path) == [path]


def test_the_next_attempt_sees_another_version(server, tmp_path):
    cut_short(server)
    server.content, server.tag = OTHER, '"2"'
    path = fetch(f"{server.url}/a.pth")
    assert path.read_bytes() == OTHER
    assert server.asked == [("/a.pth", 0)]
    assert left(tmp_path) == [path]


def test_a_part_that_was_damaged_is_noticed(server, tmp_path):
    cut_short(server)
    [part] = (path for path in left(tmp_path) if path.suffix == ".part")
    part.write_bytes(OTHER[:4000])
    with pytest.raises(CheckpointError, match="is not the file that was meant"):
        fetch(f"{server.url}/a.pth#sha256={sha256(CONTENT)}")
    assert left(tmp_path) == []
    assert fetch(f"{server.url}/a.pth#sha256={sha256(CONTENT)}").read_bytes() == CONTENT


def test_a_part_that_was_whole_when_the_process_was_killed(server):
    cut_short(server)
    [part] = Path(torch.hub.get_dir()).rglob("*.part")
    part.write_bytes(CONTENT)  # the server has nothing from byte 256000 on, and says so by 416
    assert fetch(f"{server.url}/a.pth").read_bytes() == CONTENT
    assert server.asked == [("/a.pth", len(CONTENT)), ("/a.pth", 0)]


def test_a_server_without_versions_leaves_nothing_to_go_on_from(server, tmp_path):
    server.tag, server.cuts = None, [1000] * 4
    with pytest.raises(CheckpointError, match=r"give the local file instead$"):
        fetch(f"{server.url}/a.pth")
    assert left(tmp_path) == []


def test_an_interruption_keeps_what_came(server, tmp_path, monkeypatch):
    def interrupt(seconds):
        raise KeyboardInterrupt

    server.cuts = [1000]
    monkeypatch.setattr(download.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(f"{server.url}/a.pth")
    assert fetch(f"{server.url}/a.pth").read_bytes() == CONTENT
    assert [start for _, start in server.asked] == [0, 1000]


def test_no_room_on_the_disk(server, tmp_path, monkeypatch):
    free = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    message = r"no room for a\.pth: 0\.3 MB are missing, and .* has 0\.1 MB free; free some space"
    with pytest.raises(UserError, match=message):
        fetch(f"{server.url}/a.pth")
    assert left(tmp_path) == []


def test_a_disk_that_is_full_in_the_middle(server, tmp_path, monkeypatch):
    def refuse(part, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(PartialFile, "write", refuse)
    with pytest.raises(UserError, match=r"cannot write .*a\.pth: No space left on device; free"):
        fetch(f"{server.url}/a.pth")
    assert left(tmp_path) == []


def test_two_that_want_the_same_file(server, tmp_path):
    """The second waits for the first, and then has nothing to fetch."""
    reached, go_on, original = threading.Event(), threading.Event(), server.answer

    def answer(handler):
        reached.set()
        go_on.wait(10)
        original(handler)

    server.answer = answer
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(fetch, f"{server.url}/a.pth")
        reached.wait(10)
        second = pool.submit(fetch, f"{server.url}/a.pth")
        go_on.set()
        paths = [first.result(), second.result()]
    assert left(tmp_path) == [paths[0]] == [paths[1]]
    assert paths[0].read_bytes() == CONTENT
    assert server.asked == [("/a.pth", 0)]


def test_a_file_of_unknown_size(server):
    server.size_known = False
    assert fetch(f"{server.url}/a.pth").read_bytes() == CONTENT


def test_an_empty_file(server, tmp_path):
    server.content = b""
    with pytest.raises(CheckpointError, match=r"cannot fetch .*a\.pth: it is empty"):
        fetch(f"{server.url}/a.pth")
    assert left(tmp_path) == []


def test_a_file_that_is_gone_in_the_middle(server, tmp_path):
    server.cuts, server.status = [1000], 404
    with pytest.raises(CheckpointError, match="HTTP Error 404: Not Found"):
        fetch(f"{server.url}/a.pth")
    assert len(server.asked) == 2
    assert left(tmp_path) == []


def test_a_server_that_needs_a_moment(server):
    server.cuts, server.status = [1000], 503
    original = server.answer

    def answer(handler):
        original(handler)
        server.status = server.status if len(server.asked) < 3 else None

    server.answer = answer
    assert fetch(f"{server.url}/a.pth").read_bytes() == CONTENT
    assert [start for _, start in server.asked] == [0, 1000, 1000, 1000]


def test_no_server(server, tmp_path):
    server.close()
    with pytest.raises(CheckpointError, match=r"cannot fetch .*refused.*Download it where"):
        fetch(f"{server.url}/a.pth")
    assert left(tmp_path) == []


def test_files_of_one_name_are_kept_apart(server, tmp_path):
    names = ["a/m.pth", "b/m.pth", "m.pth", "m.pth?rev=1", "../../m.pth", "..%2Fm.pth"]
    paths = {fetch(f"{server.url}/{name}") for name in names}
    assert len(paths) == len(names) == len(server.asked)
    assert paths == set(left(tmp_path))


def test_a_name_that_is_none(server):
    for url in (server.url, f"{server.url}/", f"{server.url}/a/.."):
        with pytest.raises(CheckpointError, match="names no file"):
            fetch(url)


def test_a_folder_that_cannot_be_written(server, tmp_path):
    (tmp_path / "hub").write_text("a file")
    with pytest.raises(UserError, match=r"cannot write .*a\.pth: "):
        fetch(f"{server.url}/a.pth")


def test_a_checkpoint_by_its_url(server, monkeypatch):
    file = io.BytesIO()
    torch.save({"model": {"w": torch.ones(2)}}, file)
    server.content = file.getvalue()
    end = f"a.pth?download=true#sha256={sha256(server.content)}"
    assert read_checkpoint(f"{server.url}/{end}").tensors["w"].tolist() == [1, 1]
    monkeypatch.setattr(references, "DETECTRON2_URL", f"{server.url}/d2/")
    assert read_checkpoint("detectron2://R-50.pth").tensors["w"].tolist() == [1, 1]
    assert server.asked[1] == ("/d2/R-50.pth", 0)
