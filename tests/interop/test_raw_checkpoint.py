"""Which of a file's entries are the weights, and where files come from."""

import pickle

import numpy as np
import pytest
import torch

from aligndetr.errors import CheckpointError
from aligndetr.interop import download
from aligndetr.interop.raw_checkpoint import read_checkpoint


def test_arrays_become_tensors(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    content = {"model": {"w": array}, "__author__": "torchvision", "matching_heuristics": True}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    checkpoint = read_checkpoint(tmp_path / "a.pkl")
    np.testing.assert_array_equal(checkpoint.tensors["w"].numpy(), array)
    assert checkpoint.author == "torchvision"


def test_what_data_parallelism_put_before_names_is_removed(tmp_path):
    state = {"module.a": torch.ones(2), "module.b": torch.zeros(3, dtype=torch.int64)}
    torch.save({"model": state}, tmp_path / "a.pth")
    tensors = read_checkpoint(tmp_path / "a.pth").tensors
    assert {name: tensor.tolist() for name, tensor in tensors.items()} == {
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


@pytest.mark.parametrize(
    "content, message",
    [
        ([1, 2], "holds a list, not a dict"),
        ({"iteration": 3}, "no weights; its keys are iteration"),
    ],
)
def test_a_file_without_weights(tmp_path, content, message):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(tmp_path / "a.pkl")


def test_an_unreachable_url_says_what_to_do(monkeypatch, tmp_path):
    def offline(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(download, "urlopen", offline)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    url = "https://dl.fbaipublicfiles.com/detectron2/ImageNetPretrained/torchvision/R-50.pkl"
    with pytest.raises(CheckpointError, match=rf"cannot fetch {url}: no route.*local file"):
        read_checkpoint("detectron2://ImageNetPretrained/torchvision/R-50.pkl")
