"""Files of every kind, broken ones, and pickles that try to run code."""

import argparse
import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch

from aligndetr.errors import CheckpointError
from aligndetr.interop.reader import read_checkpoint
from aligndetr.interop.safe_pickle import load_pickle

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
    content = {"model": WEIGHTS, "__author__": "torchvision", "matching_heuristics": True}
    checkpoint = read_checkpoint(write_pickle(tmp_path / "a.pkl", content, protocol))
    np.testing.assert_array_equal(
        checkpoint.tensors["stem.conv1.weight"].numpy(), WEIGHTS["stem.conv1.weight"]
    )
    assert checkpoint.author == "torchvision"


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
        read_checkpoint(path)
    assert not (tmp_path / "pwned").exists()
    pickle.loads(path.read_bytes())  # the attack itself is real
    assert (tmp_path / "pwned").exists()


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_torch_file_cannot_run_code(tmp_path, is_zip):
    content = {"model": {"a": torch.ones(2)}, "hook": Malicious(tmp_path / "pwned")}
    path = tmp_path / "bad.pth"
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(CheckpointError, match=r"system, refused"):
        read_checkpoint(path)
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
    path = tmp_path / "a.pth"
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    assert {k: v.tolist() for k, v in read_checkpoint(path).tensors.items()} == {
        "a": [1, 1],
        "b": [0, 0, 0],
    }


def test_where_the_weights_are(tmp_path):
    state, average = {"a": torch.ones(1)}, {"a": torch.full((1,), 2.0)}
    layouts = {
        "plain": state,
        "d2": {"model": state, "iteration": 7},
        "mm": {"state_dict": state, "meta": {"dataset_meta": {"CLASSES": ("cat", "dog")}}},
        "nested": {"model": {"state_dict": state}},
    }
    for name, content in layouts.items():
        torch.save(content, tmp_path / name)
        checkpoint = read_checkpoint(tmp_path / name)
        assert checkpoint.tensors["a"].item() == 1
        assert checkpoint.class_names == (["cat", "dog"] if name == "mm" else None)
    for key, value in {"ema": {"module": average}, "ema_state": average}.items():
        torch.save({"model": state, key: value}, tmp_path / key)
        assert read_checkpoint(tmp_path / key, weights="ema").tensors["a"].item() == 2
    with pytest.raises(CheckpointError, match="no averaged weights; its keys are model, iteration"):
        read_checkpoint(tmp_path / "d2", weights="ema")


def test_safetensors(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file({"a": torch.ones(2)}, tmp_path / "m.safetensors")
    assert read_checkpoint(tmp_path / "m.safetensors").tensors["a"].tolist() == [1, 1]


def test_broken_files(tmp_path):
    good = tmp_path / "good.pth"
    torch.save({"model": {"a": torch.ones(1000)}}, good)
    (tmp_path / "half.pth").write_bytes(good.read_bytes()[:2000])
    (tmp_path / "text.pth").write_text("<html>404</html>")
    (tmp_path / "empty.pkl").write_bytes(b"")
    write_pickle(tmp_path / "list.pkl", [1, 2])
    write_pickle(tmp_path / "nothing.pkl", {"iteration": 3})
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme", "hello")
    for name, message in {
        "half.pth": "half.pth is truncated or no checkpoint",
        "text.pth": "text.pth is truncated or no checkpoint",
        "empty.pkl": "empty.pkl is truncated or no checkpoint",
        "other.zip": "other.zip is truncated or no checkpoint",
        "list.pkl": "list.pkl holds a list, not a dict of weights",
        "nothing.pkl": "nothing.pkl holds no weights; its keys are iteration",
        "absent.pth": "absent.pth: there is no such file",
    }.items():
        with pytest.raises(CheckpointError, match=message):
            read_checkpoint(tmp_path / name)


def test_an_unreachable_url_says_what_to_do(monkeypatch):
    from aligndetr.interop import locate

    class Offline:
        def get_local_path(self, url):
            raise OSError("no route to host")

    monkeypatch.setattr(locate, "_path_manager", Offline)
    url = "https://dl.fbaipublicfiles.com/detectron2/ImageNetPretrained/torchvision/R-50.pkl"
    with pytest.raises(CheckpointError, match=rf"cannot fetch detectron2://.*no route.*{url}"):
        read_checkpoint("detectron2://ImageNetPretrained/torchvision/R-50.pkl")
