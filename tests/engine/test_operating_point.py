import logging

import pytest
import torch
from torch import nn

from aligndetr.engine.checkpoint import load_model_file
from aligndetr.engine.operating_point import (
    OperatingPoint,
    hash_weights,
    read_operating_point,
    write_operating_point,
)
from aligndetr.errors import CheckpointError

POINT = OperatingPoint((0.25, 0.5, 1), {"kind": "linear", "slopes": [1.5, 2.0]}, {"name": "shapes"})


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    parts = {name: nn.BatchNorm1d(3).state_dict() for name in ("model", "ema")}
    parts["ema"]["weight"] += 1
    torch.save({**parts, "iteration": 4, "class_names": ["a", "b", "c"]}, tmp_path / "in.pth")
    return tmp_path / "in.pth"


@pytest.fixture
def written(checkpoint, tmp_path):
    write_operating_point(checkpoint, tmp_path / "out.pth", "ema", POINT)
    return tmp_path / "out.pth"


def test_it_comes_back_from_a_new_file_that_has_all_of_the_old_one(checkpoint, written):
    before, after = load_model_file(checkpoint), load_model_file(written)
    assert read_operating_point(after, "ema", written) == POINT
    assert read_operating_point(before, "ema", checkpoint) is None
    entry = after.pop("operating_point")
    assert (entry["version"], entry["weights"]) == (1, "ema")
    assert str(after) == str(before)


def test_the_old_file_is_not_touched(checkpoint):
    before = checkpoint.read_bytes()
    with pytest.raises(CheckpointError, match=r"in\.pth stays as it is.*another name"):
        write_operating_point(checkpoint, checkpoint.parent / "." / "in.pth", "model", POINT)
    assert checkpoint.read_bytes() == before


def change_weights(content):
    content["ema"]["bias"][1] += 0.5


def make_later(content):
    content["operating_point"]["version"] = 2


@pytest.mark.parametrize(
    "which, change, message",
    [
        ("model", lambda content: None, "belongs to the ema weights, not to the model weights"),
        ("ema", change_weights, "belongs to other ema weights than those in the file"),
        ("ema", make_later, "version 2, later than 1"),
    ],
)
def test_what_belongs_to_other_weights_is_ignored_with_one_line(
    written, caplog, which, change, message
):
    content = load_model_file(written)
    change(content)
    with caplog.at_level(logging.INFO, logger="aligndetr"):
        assert read_operating_point(content, which, "x.pth") is None
    [line] = caplog.messages
    assert "the operating_point in x.pth is ignored" in line
    assert message in line


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("version", "1", "no version"),
        ("thresholds", [0.5, float("nan")], "thresholds"),
        ("thresholds", [True], "thresholds"),
        ("thresholds", 0.5, "thresholds"),
        ("calibrator", "linear", "a str as calibrator"),
        ("data", None, "a NoneType as data"),
    ],
)
def test_a_damaged_entry_is_named(written, key, value, message):
    content = load_model_file(written)
    content["operating_point"][key] = value
    with pytest.raises(CheckpointError, match=rf"operating_point in x\.pth has.*{message}"):
        read_operating_point(content, "ema", "x.pth")


def test_only_what_can_be_read_is_written(checkpoint, tmp_path):
    with pytest.raises(CheckpointError, match="numbers from 0 to 1"):
        write_operating_point(checkpoint, tmp_path / "new.pth", "ema", OperatingPoint((2.0,)))
    assert not (tmp_path / "new.pth").exists()


def test_the_hash_is_of_names_kinds_shapes_and_values():
    weights = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor(3, dtype=torch.bfloat16)}
    same = hash_weights(dict(reversed(weights.items())))
    assert hash_weights(weights) == same
    others = [
        {**weights, "a": torch.tensor([1.0, 2.5])},
        {**weights, "a": torch.tensor([[1.0, 2.0]])},
        {**weights, "a": weights["a"].view(torch.int32)},
        {"c": weights["a"], "b": weights["b"]},
    ]
    assert same not in [hash_weights(other) for other in others]
