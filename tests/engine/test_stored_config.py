"""A checkpoint describes itself; a config beside it is compared with what it says."""

import logging
from pathlib import Path

import pytest
import torch

from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.config.nodes import to_plain
from aligndetr.config.yaml_file import yaml_text
from aligndetr.engine.model import load_model
from aligndetr.engine.stored_config import stored_config, warn_of_differences
from aligndetr.errors import CheckpointError, ConfigError

PATH = "model.pth"
V0_1 = Path(__file__).parents[1] / "data" / "v0_1" / "configs"


@pytest.fixture
def config():
    return LazyConfig.load(resolve_config("aligndetr_tiny"))


@pytest.fixture
def stored(config):
    return {"config": yaml_text(to_plain(config))}


@pytest.fixture
def warned(config, stored, caplog):
    """Warnings about the config with overrides."""

    def warn(*overrides):
        caplog.clear()
        warn_of_differences(LazyConfig.apply_overrides(config, overrides), stored, PATH)
        return [record.getMessage() for record in caplog.records]

    with caplog.at_level(logging.WARNING, "aligndetr"):
        yield warn


def test_the_same_config_is_no_news(warned):
    assert warned() == []


def test_what_only_training_uses_does_not_matter(warned):
    overrides = ["model.criterion.match_num=[1,1,1,1]", "model.denoiser.num_queries=7"]
    assert warned(*overrides, "optimizer.lr=1", "model.num_classes=3", "train.epochs=1") == []


def test_what_detection_depends_on_is_named(warned):
    [message] = warned(
        "model.num_queries=55", "dataloader.test.mapper.image_format=BGR", "optimizer.lr=1"
    )
    assert message.startswith("model.pth was trained with another config: ")
    assert "model.num_queries is 55 here and 40 there" in message
    assert "dataloader.test.mapper.image_format is 'BGR' here and 'RGB' there" in message
    assert "more differ" in message or message.count(" here and ") <= 3


def test_names_that_have_moved_are_no_difference(config, stored, warned):
    moved = "aligndetr.modeling.TwoStageQueries"
    assert config.model.query_source["_target_"] or moved in stored["config"]
    stored["config"] = stored["config"].replace(
        moved, "aligndetr.modeling.query_source.TwoStageQueries"
    )
    assert "modeling.query_source.TwoStageQueries" in stored["config"]
    assert warned() == []


def test_another_image_size_is_named_once(warned):
    [message] = warned("dataloader.image_size=240")
    assert "config: dataloader.image_size is 240 here and None there; without" in message


@pytest.mark.parametrize("path", sorted(V0_1.glob("*_tiny.yaml")), ids=lambda path: path.stem)
def test_configs_of_version_0_1_are_those_of_today(path, caplog):
    config = LazyConfig.load(resolve_config(path.stem))
    warn_of_differences(config, {"config": path.read_text()}, PATH)
    assert not caplog.records


@pytest.mark.parametrize("content", [{}, {"config": None}, {"config": 3}, {"config": "- ["}])
def test_a_checkpoint_without_a_config_cannot_be_compared(config, content, caplog):
    warn_of_differences(config, content, PATH)
    assert not caplog.records


@pytest.fixture
def trained(config, tmp_path):
    """A checkpoint with a config of its own: 3 classes, 30 queries."""
    from aligndetr.config import instantiate

    overrides = ["model.num_queries=30", "train.device=cpu"]
    text = yaml_text(to_plain(LazyConfig.apply_overrides(config, overrides)))
    config.model.num_classes = 3
    torch.manual_seed(0)
    model = instantiate(config.model)
    content = {"model": model.state_dict(), "class_names": ["a", "b", "c"], "iteration": 0}
    torch.save({**content, "config": text}, tmp_path / PATH)
    return tmp_path / PATH


def test_a_checkpoint_builds_its_model(trained):
    model = load_model(stored_config(trained), trained)
    assert (model.num_queries, model.class_names) == (30, ["a", "b", "c"])


def test_a_checkpoint_that_does_not_fit_says_why(trained, caplog):
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    with pytest.raises(CheckpointError, match="other shape"):
        load_model(config, trained, device="cpu")
    assert "model.num_queries is 40 here and 30 there" in caplog.text


@pytest.mark.parametrize("config", [None, 7])
def test_weights_alone_need_a_config(tmp_path, config):
    torch.save({"model": {"a": torch.ones(1)}, "config": config}, tmp_path / PATH)
    with pytest.raises(CheckpointError, match=r"model\.pth holds no config: name the one"):
        stored_config(tmp_path / PATH)
    torch.save({"model": {}, "config": "model: ["}, tmp_path / PATH)
    with pytest.raises(ConfigError, match=r"the config in .*model\.pth:1: "):
        stored_config(tmp_path / PATH)
