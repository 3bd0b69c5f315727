import json
import sys

import pytest
import torch

from aligndetr.engine.events import EventStorage
from aligndetr.engine.writers import JSONLinesWriter, TensorBoardWriter, WandbWriter
from aligndetr.errors import ConfigError


def fill(storage, iteration, **values):
    storage.iter = iteration
    storage.put_scalars(values)


def test_values_are_averaged_over_the_window():
    storage = EventStorage(window=2)
    for iteration, value in enumerate([10.0, 2.0, 4.0]):
        fill(storage, iteration, loss=torch.tensor(value))
        storage.put_scalar("lr", value, smoothing=False)
    assert storage.smoothed() == {"loss": (3.0, 2), "lr": (4.0, 2)}
    assert storage.latest() == {"loss": (4.0, 2), "lr": (4.0, 2)}


def test_recording_a_tensor_does_not_read_it(monkeypatch):
    def forbidden(*_):
        raise AssertionError("a step waited for the device")

    storage = EventStorage()
    with monkeypatch.context() as patch:
        for name in ("item", "tolist", "__float__", "cpu", "numpy"):
            patch.setattr(torch.Tensor, name, forbidden)
        fill(storage, 0, a=torch.tensor(1.5), b=torch.tensor([2.5], requires_grad=True))
        assert storage.last("a") == (None, None)
    assert storage.latest() == {"a": (1.5, 0), "b": (2.5, 0)}


def test_the_order_of_iterations_survives_one_transfer():
    storage = EventStorage()
    fill(storage, 0, a=torch.tensor(1.0))
    fill(storage, 1, b=torch.tensor(2.0), a=torch.tensor(3.0))
    assert storage.latest() == {"a": (3.0, 1), "b": (2.0, 1)}


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_metrics_are_one_json_object_a_line(tmp_path):
    storage = EventStorage()
    writer = JSONLinesWriter(tmp_path / "metrics.json")
    fill(storage, 0, loss=4.0, AP=1.0)
    fill(storage, 1, loss=2.0)
    writer.write(storage, 1)
    fill(storage, 2, loss=float("nan"))
    writer.write(storage, 2)
    assert lines(tmp_path / "metrics.json") == [
        {"iteration": 1, "loss": 3.0, "AP": 1.0},
        {"iteration": 2, "loss": None},  # AP was not recorded again; NaN is no JSON
    ]


def test_a_resumed_run_has_each_iteration_once(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text('{"iteration": 1, "a": 1}\n{"iteration": 3, "a": 2}\n{"iteration": 5, "a"')
    storage = EventStorage(3)
    writer = JSONLinesWriter(path)
    writer.start(3, 10)
    fill(storage, 3, a=7.0)
    writer.write(storage, 3)
    assert lines(path) == [{"iteration": 1, "a": 1}, {"iteration": 3, "a": 7.0}]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_what_was_written(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    storage = EventStorage()
    writer = TensorBoardWriter(tmp_path)
    writer.start(0, 10)
    fill(storage, 7, loss=2.5)
    writer.write(storage, 7)
    writer.close()
    events = accumulator.EventAccumulator(str(tmp_path)).Reload().Scalars("loss")
    assert [(event.step, event.value) for event in events] == [(7, 2.5)]


def test_wandb_must_be_installed_to_be_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match="pip install wandb"):
        WandbWriter({}, {})
