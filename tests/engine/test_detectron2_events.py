"""A stand-in for detectron2's event storage, with its public names and what its models do."""

import sys
import types
from contextlib import contextmanager

import pytest
import torch
from torch import nn

from aligndetr.engine.hooks import Detectron2Events
from aligndetr.engine.trainer import Trainer


def stand_in():
    events = types.ModuleType("detectron2.utils.events")
    opened = []

    class EventStorage:
        def __init__(self, start_iter=0):
            self.iter = start_iter
            self._current_prefix = ""
            self.seen, self.images = [], []

        def put_scalar(self, name, value, smoothing_hint=True, cur_iter=None):
            self.seen.append((self.iter, self._current_prefix + name, float(value)))

        def put_scalars(self, *, smoothing_hint=True, cur_iter=None, **values):
            for name, value in values.items():
                self.put_scalar(name, value, smoothing_hint=smoothing_hint, cur_iter=cur_iter)

        def put_image(self, name, image):
            self.images.append(image)

        def clear_images(self):
            self.images = []

        def clear_histograms(self):
            pass

        @contextmanager
        def name_scope(self, name):
            self._current_prefix = f"{name}/"
            yield
            self._current_prefix = ""

        def __enter__(self):
            opened.append(self)
            return self

        def __exit__(self, *exception):
            assert opened.pop() is self

    def get_event_storage():
        assert opened, "get_event_storage() has to be called inside a 'with EventStorage(...)'"
        return opened[-1]

    events.EventStorage, events.get_event_storage, events.opened = (
        EventStorage,
        get_event_storage,
        opened,
    )
    return events


class Foreign(nn.Module):
    """Logs as RetinaNet and the region proposal network do."""

    def __init__(self, fails=False):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.fails = fails

    def forward(self, batch):
        storage = sys.modules["detectron2.utils.events"].get_event_storage()
        storage.put_scalar("num_anchors", 10 + storage.iter)
        with storage.name_scope("rpn"):
            storage.put_scalars(positive=torch.tensor(3.0), smoothing_hint=False)
        storage.put_image("input", torch.zeros(3, 2, 2))
        if self.fails:
            raise ZeroDivisionError
        self.images = len(storage.images)
        return {"loss": self.weight * 2}


@pytest.fixture
def events(monkeypatch):
    module = stand_in()
    monkeypatch.setitem(sys.modules, "detectron2.utils.events", module)
    return module


def trainer_of(model):
    trainer = Trainer(model, iter(lambda: [{}], None), torch.optim.SGD(model.parameters(), lr=0.1))
    trainer.register_hooks([Detectron2Events()])
    return trainer


def test_what_their_model_logs_reaches_our_storage(events):
    model = Foreign()
    trainer = trainer_of(model)
    trainer.train(4, 7)
    latest = trainer.storage.latest()
    assert latest["num_anchors"] == (16.0, 6)  # of iteration 6: 10 + 6
    assert latest["rpn/positive"] == (3.0, 6)
    # smoothed over iterations 4, 5, 6: (14 + 15 + 16) / 3
    assert trainer.storage.smoothed()["num_anchors"] == (15.0, 6)
    assert model.images == 1  # those of earlier steps are gone
    assert events.opened == []


def test_the_storage_is_closed_after_a_failure(events):
    trainer = trainer_of(Foreign(fails=True))
    with pytest.raises(ZeroDivisionError):
        trainer.train(0, 3)
    assert events.opened == []


def test_without_detectron2_nothing_happens(monkeypatch):
    monkeypatch.delitem(sys.modules, "detectron2.utils.events", raising=False)
    model = nn.Linear(1, 1)
    model.forward = lambda batch: {"loss": model.weight.sum()}
    trainer_of(model).train(0, 1)
