import pytest
import torch

from aligndetr.engine.hooks import LoaderWaits, loader_waits
from aligndetr.engine.hooks.base import Hook
from aligndetr.engine.trainer import Trainer


class Clock(Hook):
    """Puts a time in place of what was measured."""

    def after_step(self):
        self.trainer.storage.put_scalar("time", 2.0)
        self.trainer.storage.put_scalar("data_time", 0.1)


@pytest.fixture
def log_of(toy_detector, toy_loader, monkeypatch, caplog):
    """What is said when process 0 waits 0.1 of 2 seconds, and others these parts of the time."""

    def run(*shares, steps=6):
        others = iter(shares)

        def gather(own):
            given = next(others)
            return [own, *((share, 2 * share, f"node-{i}") for i, share in enumerate(given, 1))]

        monkeypatch.setattr(loader_waits, "world_size", lambda: 4)
        monkeypatch.setattr(loader_waits, "all_gather_object", gather)
        model = toy_detector()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        trainer = Trainer(model, toy_loader(), optimizer)
        trainer.register_hooks([Clock(), LoaderWaits(period=2)])
        trainer.train(0, steps)
        assert trainer.storage.last("slowest_data_time")[0] == 2 * max(shares[-1])
        return [record.message for record in caplog.records]

    return run


def test_a_process_that_waits_is_named_once(log_of):
    # process 0 waits 0.1 of 2 s, which is 5 %; 0.4 is more by 0.35, 0.2 by 0.15 only
    said = log_of(*[(0.06, 0.2, 0.4)] * 4, steps=8)
    assert len(said) == 1
    assert "process 3 on node-3 waits for its loader 40 % of the time, others 5 %" in said[0]
    assert "process 2" not in said[0]


def test_another_one_is_named_later(log_of):
    said = log_of((0.0, 0.0, 0.4), (0.9, 0.0, 0.4), (0.9, 0.0, 0.5), (0.9, 0.0, 0.4), steps=8)
    assert [text.split(" waits")[0] for text in said] == [
        "process 3 on node-3",
        "process 1 on node-1",
    ]


def test_who_waits_now_and_then_is_not_named(log_of):
    assert log_of((0.06, 0.06, 0.9), (0.06, 0.9, 0.06), (0.06, 0.06, 0.9)) == []


def test_if_all_wait_alike_nobody_is_to_blame(log_of):
    assert log_of((0.1, 0.2, 0.24), (0.1, 0.2, 0.24), (0.05, 0.05, 0.05)) == []


def test_a_long_list_is_cut():
    shares, hosts = [0.0, *([0.5] * 60)], ["here", *(f"node-{i}" for i in range(60))]
    slow = loader_waits.slow_loaders(shares)
    assert slow == list(range(1, 61))
    text = loader_waits.describe(slow, shares, hosts)
    assert text.count("waits for its loader") == 4
    assert "and 56 more do" in text
