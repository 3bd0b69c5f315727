"""The model of an experiment, to train or ready for use."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from aligndetr.engine import initial_weights as initial
from aligndetr.engine.checkpoint import Checkpointer
from aligndetr.engine.model import build_model, load_model
from aligndetr.errors import CheckpointError, ConfigError

NAMES = ["disk", "square"]


class Head(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.linear = nn.Linear(3, num_classes)


@pytest.fixture
def config():
    model = {"_target_": "heads.Head", "num_classes": None}
    return OmegaConf.create({"model": model, "train": {"device": "cpu"}})


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Let configs name this module, however it was imported."""
    module = ModuleType("heads")
    module.Head = Head
    monkeypatch.setattr(Head, "__module__", "heads")
    monkeypatch.setitem(sys.modules, "heads", module)


@pytest.fixture
def trained(tmp_path):
    """A checkpoint of two classes whose weights are ones, and twos in its moving average."""
    model = Head(len(NAMES))
    average = Head(len(NAMES))
    for part, value in ((model, 1.0), (average, 2.0)):
        for parameter in part.parameters():
            nn.init.constant_(parameter, value)
    extra = {"class_names": NAMES, "ema": average.state_dict()}
    return Checkpointer(model, tmp_path, extra=extra).save("model_final", iteration=4)


def value(model):
    return {x for parameter in model.parameters() for x in parameter.detach().flatten().tolist()}


def test_a_model_to_train_knows_its_classes(config):
    config.model.num_classes = 2
    model = build_model(config, NAMES)
    assert model.training
    assert model.class_names == NAMES
    config.train.compile = ["decodr"]
    with pytest.raises(ConfigError, match=r"train\.compile: the model has no part 'decodr'"):
        build_model(config, NAMES)


def test_a_trained_model_is_ready_and_the_config_stays(config, trained):
    before = OmegaConf.to_yaml(config)
    model = load_model(config, trained)
    assert not model.training
    assert model.class_names == NAMES
    assert model.linear.out_features == 2
    assert OmegaConf.to_yaml(config) == before


def test_which_weights(config, trained):
    assert value(load_model(config, trained)) == {2}
    assert value(load_model(config, trained, weights="model")) == {1}
    config.train.best = {"weights": "model"}
    assert value(load_model(config, trained)) == {1}
    assert value(load_model(config, trained, weights="ema")) == {2}
    content = torch.load(trained)
    del content["ema"]
    torch.save(content, trained)
    with pytest.raises(CheckpointError, match="has no 'ema' weights"):
        load_model(config, trained, weights="ema")


def test_the_data_it_will_see_must_have_its_classes(config, trained):
    assert load_model(config, trained, ["disk", "square"]).class_names == NAMES
    with pytest.raises(CheckpointError, match="in another order"):
        load_model(config, trained, ["square", "disk"])
    with pytest.raises(CheckpointError, match="knows 2 classes"):
        load_model(config, trained, ["disk"])
    config.model.num_classes = 3
    with pytest.raises(ConfigError, match=r"num_classes=3, but the dataset has 2"):
        load_model(config, trained, NAMES)


def test_without_a_checkpoint_weights_are_random(config):
    torch.manual_seed(3)
    expected = value(Head(2))
    torch.manual_seed(3)
    model = load_model(config, None, NAMES)
    assert value(model) == expected
    assert not model.training


def test_it_is_never_compiled(config, trained):
    config.train.compile = ["linear"]
    assert load_model(config, trained).linear._compiled_call_impl is None


def test_other_files_are_read_by_interop(config, trained, tmp_path, monkeypatch):
    asked = []

    def read(model, path, weights):
        asked.append((path, weights))
        return SimpleNamespace(is_complete=True)

    monkeypatch.setattr(initial, "load_checkpoint", read)
    monkeypatch.setattr(initial, "local_checkpoint", lambda name: fetched.get(name, Path(name)))
    config.model.num_classes = 2
    config.train.best = {"weights": "ema"}  # says which of ours, not which of theirs
    (tmp_path / "r50.pkl").write_bytes(b"anything")
    torch.save(Head(2).state_dict(), tmp_path / "bare.pth")
    fetched = {"huggingface://some/model": tmp_path}  # it has no weights file of ours
    names = [str(tmp_path / "r50.pkl"), str(tmp_path / "bare.pth"), *fetched]
    for name in names:
        load_model(config, name)
    assert asked == [(name, "model") for name in names]
    load_model(config, names[0], weights="ema")
    assert asked[-1] == (names[0], "ema")


@pytest.mark.parametrize("is_complete, level", [(True, "INFO"), (False, "WARNING")])
def test_what_is_missing_is_a_warning(config, tmp_path, monkeypatch, caplog, is_complete, level):
    report = SimpleNamespace(is_complete=is_complete)
    monkeypatch.setattr(initial, "load_checkpoint", lambda *args, **options: report)
    config.model.num_classes = 2
    (tmp_path / "r50.pkl").write_bytes(b"anything")
    with caplog.at_level("INFO"):
        load_model(config, tmp_path / "r50.pkl")
    assert [record.levelname for record in caplog.records] == [level]


def test_a_file_that_is_not_there_is_named_before_classes_are_asked_for(config):
    with pytest.raises(CheckpointError, match=r"no checkpoint at nothing\.pth"):
        load_model(config, "nothing.pth")


def test_a_model_that_is_no_module_is_refused():
    config = OmegaConf.create({"model": {"_target_": "builtins.dict", "a": 1}})
    with pytest.raises(ConfigError, match=r"model: builtins\.dict makes a dict, no torch module"):
        build_model(config, None)
