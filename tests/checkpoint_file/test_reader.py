"""Files of every kind, broken ones, and pickles that try to run code."""

import argparse
import copy
import io
import os
import pickle
import zipfile

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from aligndetr.checkpoint_file import read_checkpoint_file
from aligndetr.checkpoint_file.safe_pickle import load_pickle
from aligndetr.errors import CheckpointError

WEIGHTS = {"stem.conv1.weight": np.arange(6, dtype=np.float32).reshape(2, 3)}


class Malicious:
    """Unpickled by an ordinary reader, it creates the file `pwned`."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


def write_pickle(path, content, protocol=2):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_every_pickle_protocol(tmp_path, protocol):
    path = write_pickle(
        tmp_path / "a.pkl", {"model": WEIGHTS, "matching_heuristics": True}, protocol
    )
    content = read_checkpoint_file(path)
    assert content["matching_heuristics"] is True
    [(name, array)] = content["model"].items()
    np.testing.assert_array_equal(array, WEIGHTS[name])


def test_a_python_2_pickle_of_numpy_1():
    # protocol 0 as Python 2 wrote it: bytes as text, builtins under their old name.
    text = (
        "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\n"
        "tcnumpy\ndtype\n(S'u1'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x07\\xff'\ntb."
    )
    array = load_pickle(io.BytesIO(text.encode("ascii")))
    np.testing.assert_array_equal(array, np.array([7, 255], dtype=np.uint8))


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_cannot_run_code(tmp_path, protocol):
    content = {"model": {**WEIGHTS, "x": Malicious(tmp_path / "pwned")}}
    path = write_pickle(tmp_path / "bad.pkl", content, protocol)
    with pytest.raises(CheckpointError, match=r"bad\.pkl.*(posix|nt)\.system, refused"):
        read_checkpoint_file(path)
    assert not (tmp_path / "pwned").exists()
    pickle.loads(path.read_bytes())  # the attack itself is real
    assert (tmp_path / "pwned").exists()


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_torch_file_cannot_run_code(tmp_path, is_zip):
    content = {"model": {"a": torch.ones(2)}, "hook": Malicious(tmp_path / "pwned")}
    path = tmp_path / "bad.pth"
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(CheckpointError, match=r"system, refused"):
        read_checkpoint_file(path)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "payload, name",
    [
        (b"cbuiltins\neval\n(S'1'\ntR.", r"builtins\.eval"),
        (b"cnumpy\nload\n(S'x'\ntR.", r"numpy\.load"),
        (b"c_codecs\ndecode\n(S'x'\ntR.", r"_codecs\.decode"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.", r"numpy\.ndarray\.tofile"),
    ],
)
def test_names_close_to_admitted_ones_are_refused(payload, name):
    with pytest.raises(CheckpointError, match=name):
        load_pickle(io.BytesIO(payload))


@pytest.mark.parametrize("is_zip", [True, False])
def test_torch_files_with_the_usual_objects(tmp_path, is_zip):
    content = {
        "model": {"module.a": torch.ones(2), "module.b": torch.zeros(3, dtype=torch.int64)},
        "args": argparse.Namespace(lr=1e-4, milestones=[1, 2]),
        "scores": np.float64(3.5),
        "curve": np.arange(3.0),
    }
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=is_zip)
    read = read_checkpoint_file(tmp_path / "a.pth")
    torch.testing.assert_close(read["model"], content["model"], rtol=0, atol=0)
    assert (read["args"], read["scores"]) == (content["args"], content["scores"])
    np.testing.assert_array_equal(read["curve"], content["curve"])


def test_safetensors(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file({"a": torch.ones(2)}, tmp_path / "m.safetensors")
    assert read_checkpoint_file(tmp_path / "m.safetensors")["a"].tolist() == [1, 1]


def test_broken_files(tmp_path):
    good = tmp_path / "good.pth"
    torch.save({"model": {"a": torch.ones(1000)}}, good)
    (tmp_path / "half.pth").write_bytes(good.read_bytes()[:2000])
    (tmp_path / "text.pth").write_text("<html>404</html>")
    (tmp_path / "empty.pkl").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme", "hello")
    for name, message in {
        "half.pth": "half.pth is truncated or not a checkpoint",
        "text.pth": "text.pth is truncated or not a checkpoint",
        "empty.pkl": "empty.pkl is truncated or not a checkpoint",
        "other.zip": "other.zip is truncated or not a checkpoint",
        "absent.pth": "absent.pth: there is no such file",
    }.items():
        with pytest.raises(CheckpointError, match=message):
            read_checkpoint_file(tmp_path / name)


@pytest.fixture
def saved(tmp_path):
    """A file of torch.save, and its bytes."""
    path = tmp_path / "good.pth"
    torch.save({"model": {"a": torch.arange(100.0), "b": torch.ones(7)}, "iteration": 3}, path)
    return path, bytearray(path.read_bytes())


def test_a_flipped_bit_in_a_tensor_is_found(saved):
    path, content = saved
    assert read_checkpoint_file(path)["model"]["a"][42] == 42
    content[content.index(torch.arange(100.0).numpy().tobytes()) + 170] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"good\.pth: its record good/data/0 is damaged"):
        read_checkpoint_file(path)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_damaged_byte_changes_a_value_unseen(saved, data):
    path, good = saved
    content = bytearray(good)
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        read = read_checkpoint_file(path)
    except CheckpointError:
        return
    assert read["iteration"] == 3
    assert torch.equal(read["model"]["a"], torch.arange(100.0))
    assert torch.equal(read["model"]["b"], torch.ones(7))


def test_a_file_without_checksums_is_read(saved):
    path, _ = saved
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.ones(2)}, path)
    finally:
        torch.serialization.set_crc32_options(before)
    assert read_checkpoint_file(path)["a"].tolist() == [1, 1]


def zipped(path, records, **written):
    """Zip records again; `written` is what the directory says of the last."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (content | records).items():
            archive.writestr(name, data, written.get("compress_type", zipfile.ZIP_STORED))
        for key, value in written.items():
            setattr(archive.filelist[-1], key, value)
    return path


def test_a_bomb_is_refused_before_it_is_unpacked(saved, monkeypatch):
    path, _ = saved
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("was unpacked"))
    size = 3 << 30
    zipped(
        path, {"good/data/9": bytes(1 << 20)}, compress_type=zipfile.ZIP_DEFLATED, file_size=size
    )
    assert path.stat().st_size < 1 << 16
    with pytest.raises(CheckpointError, match=r"record good/\S+ is compressed .* never does"):
        read_checkpoint_file(path)


def test_records_that_overlap_are_refused(saved, monkeypatch):
    path, _ = saved
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("was unpacked"))
    with zipfile.ZipFile(path, "a") as archive:
        [first] = [info for info in archive.filelist if info.filename == "good/data/0"]
        for index in range(100):
            again = copy.copy(first)
            again.filename = f"good/data/{index + 10}"
            archive.filelist.append(again)
        archive._didModify = True
    with pytest.raises(CheckpointError, match="claim more bytes than the file has"):
        read_checkpoint_file(path)


@pytest.mark.parametrize(
    "tensor", [torch.zeros(1).expand(2**19, 2**19), torch.empty(2**20, 2**20, device="meta")]
)
def test_a_tensor_that_claims_more_than_the_file_has_is_refused(tmp_path, tensor):
    torch.save({"optimizer": {"state": [tensor]}}, tmp_path / "x.pth")
    with pytest.raises(
        CheckpointError, match=r"x\.pth: .* optimizer\.state\.0 claims [14]\d{12} bytes"
    ):
        read_checkpoint_file(tmp_path / "x.pth")


def test_containers_without_end_are_refused(tmp_path):
    doubled, circle = [], []
    for _ in range(40):
        doubled = [doubled, doubled]
    circle.append(circle)
    for content in (doubled, circle):
        torch.save({"model": content}, tmp_path / "x.pth")
        with pytest.raises(CheckpointError, match=r"x\.pth: its containers are nested without end"):
            read_checkpoint_file(tmp_path / "x.pth")
