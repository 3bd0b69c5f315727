"""Two real processes that are not alike, in one start of them; and the parts alone."""

import pytest
import torch
from torch import nn

from aligndetr.engine.desync import overlapping, parameter_checksums, timeout_of, unequal
from aligndetr.engine.launch import launch
from aligndetr.errors import ConfigError
from tests.engine import desync_workers as workers  # by this name started processes find it, too


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """(errors by case, folder)."""
    folder = tmp_path_factory.mktemp("desync")
    assert launch(workers.main, num_gpus=2, device="cpu", args=(folder,)) == 0
    return torch.load(folder / "errors.pth"), folder


EXPECTED = {
    "nudged": [
        "at iteration 3:",
        "parameters on process 1",
        "they differ in 1 of 4: out.bias",
    ],
    "slower": ["at iteration 1:", "optimizer settings on process 1: ", "'lr': 0.25", "'lr': 0.01"],
    "same images": ["at iteration 1:", "process 1 trains on the same ones as process 0"],
    "same noise": ["at iteration 0:", "process 1 draws the same as process 0"],
    "resumed": ["at iteration 0:", "they differ in 1 of 4: hidden.weight"],
    "longer": ["at iteration 0:", "length of the training on process 1: 10, on process 0 9"],
    "other length": ["process 1 has another config than process 0: train.max_iter is 20 there, 12"],
    "other rate and seed": ["optimizer.lr is 0.5 there", "train.seed is 3 there, 0 here"],
    "other data": ["images and boxes on process 1"],
}


@pytest.mark.parametrize("case", EXPECTED)
def test_every_process_stops_with_what_differs_on_which(outcome, case):
    first, second = outcome[0][case]
    assert first == second
    _, message, told_once = first
    assert told_once
    for part in EXPECTED[case]:
        assert part in message


def test_processes_that_are_alike_train_to_the_end(outcome):
    assert outcome[0]["undisturbed"] == [None, None]


def test_what_has_drifted_apart_is_not_saved(outcome):
    names = sorted(path.name for path in (outcome[1] / "nudged").iterdir())
    # saved after each step, and compared before that after iterations 1 and 3
    assert names == ["last_checkpoint", *(f"model_000000{index}.pth" for index in range(3))]


def test_nothing_is_trained_with_other_configs_or_data(outcome):
    assert not list((outcome[1] / "run").glob("model_*"))


def test_unequal_names_those_that_differ_from_the_first():
    values = [{"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 1, "b": 3}]
    assert list(unequal(values)) == ["b on process 1, 2: 3, on process 0 2"]


def test_samples_of_other_epochs_and_unknown_ones_do_not_overlap():
    assert not list(overlapping([[(0, 1), None], [(1, 1), None]]))
    assert list(overlapping([[(0, 1)], [(0, 2)], [(0, 2), (0, 1)]])) == [
        "images: process 2 trains on the same ones as process 0"
    ]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_checksum_notices_one_bit(dtype):
    model = nn.Linear(3, 2).to(dtype)
    before = parameter_checksums(model)
    with torch.no_grad():
        bits = model.weight.view(torch.uint8)
        bits[1, 0] ^= 1
    first, second = parameter_checksums(model)
    assert first != before[0]
    assert second == before[1]


@pytest.mark.parametrize("value", ["soon", 0, -3, True, float("nan")])
def test_a_timeout_that_is_none(tiny_config, value):
    config = tiny_config()
    config.train.desync_guard.timeout = value
    with pytest.raises(ConfigError, match=r"train\.desync_guard\.timeout"):
        timeout_of(config)


def test_configs_without_a_timeout_have_the_usual_one(tiny_config):
    config = tiny_config("train.desync_guard.timeout=12")
    assert timeout_of(config) == 12
    del config.train.desync_guard
    assert timeout_of(config) == 600
