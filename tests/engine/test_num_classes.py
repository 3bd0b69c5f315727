"""Where the number of classes meets the data."""

import json
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from aligndetr.engine.num_classes import (
    check_class_names,
    check_same_classes,
    settle_by_checkpoint,
    settle_num_classes,
)
from aligndetr.errors import CheckpointError, ConfigError, DataError


def stating(num_classes, **others):
    return OmegaConf.create({"model": {"num_classes": num_classes}, **others})


@pytest.fixture
def dataset(tmp_path):
    """`dataloader` with a test dataset of two classes."""
    content = {
        "images": [{"id": 1, "file_name": "x.png", "height": 9, "width": 9}],
        "categories": [{"id": index, "name": name} for index, name in enumerate("ab")],
    }
    (tmp_path / "data.json").write_text(json.dumps(content))
    node = {"_target_": "aligndetr.data.load_dataset", "names": "mine"}
    node |= {"json_file": str(tmp_path / "data.json"), "image_root": str(tmp_path)}
    return {"test": {"dataset": node}}


def test_the_data_fill_in_or_confirm():
    config = stating(None)
    settle_num_classes(config, None, "the dataset")
    assert config.model.num_classes is None
    settle_num_classes(config, ["a", "b"], "the dataset")
    assert config.model.num_classes == 2
    settle_num_classes(config, ["c", "d"], "the dataset")
    with pytest.raises(ConfigError, match=r"num_classes=2, but animals has 3 classes"):
        settle_num_classes(config, ["a", "b", "c"], "animals")


def test_a_model_without_classes_is_left_alone():
    config = OmegaConf.create({"model": {"width": 3}})
    settle_num_classes(config, ["a"], "the dataset")
    assert settle_by_checkpoint(config, ["a"], "m.pth") == ["a"]
    assert config == {"model": {"width": 3}}


@pytest.mark.parametrize("stated", [None, 5])
def test_a_checkpoint_that_names_its_classes_decides(stated, dataset):
    config = stating(stated, dataloader=dataset)
    assert settle_by_checkpoint(config, ["x", "y", "z"], "m.pth") == ["x", "y", "z"]
    assert config.model.num_classes == 3


def test_else_the_config_and_then_the_dataset_count(dataset):
    config = stating(7, dataloader=dataset)
    assert settle_by_checkpoint(config, None, "m.pth") is None
    assert config.model.num_classes == 7
    for stated in (None, 2):
        config = stating(stated, dataloader=dataset)
        assert settle_by_checkpoint(config, None, "m.pth") == ["a", "b"]
        assert config.model.num_classes == 2
    dataset["test"]["dataset"]["json_file"] = "nowhere.json"
    for gone in ({"dataloader": dataset}, {}):
        with pytest.raises(CheckpointError, match=r"m\.pth does not name .*num_classes=N"):
            settle_by_checkpoint(stating(None, **gone), None, "m.pth")


def test_classes_of_checkpoint_and_data_are_compared(caplog):
    check_class_names(["a", "b"], ["a", "b"], "x.pth")
    check_class_names(None, ["a"], "x.pth")
    with pytest.raises(CheckpointError, match=r"x\.pth knows 2 classes.*dataset has 3"):
        check_class_names(["a", "b"], ["a", "b", "c"], "x.pth")
    with pytest.raises(CheckpointError, match="in another order"):
        check_class_names(["a", "b"], ["b", "a"], "x.pth")
    check_class_names(["a", "b"], ["a", "c"], "x.pth")
    assert "b / c" in caplog.text


def named(name, *classes):
    return SimpleNamespace(name=name, class_names=list(classes) or None)


def test_data_to_train_on_and_to_judge_by_have_the_same_classes(caplog):
    train = named("mine_train", "cat", "dog")
    check_same_classes(train, named("mine_val", "cat", "dog"))
    for unnamed in (named("x"), object(), None):
        check_same_classes(train, unnamed)
        check_same_classes(unnamed, train)
    assert not caplog.records
    check_same_classes(train, named("mine_val", "cat", "dog", "cow"))  # as in larger data
    assert "mine_val has classes that mine_train lacks: cow" in caplog.text


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("dog", "cat"), r"class 0 is 'cat' in mine_train, .*'dog' in mine_val, .*AP would be"),
        (("cat", "cow", "dog"), r"class 1 is 'dog' in mine_train, .*'cow' in mine_val"),
        (("cat",), r"mine_val does not have class 1 of mine_train, 'dog': .*same categories"),
    ],
)
def test_another_class_is_named(classes, message):
    with pytest.raises(DataError, match=message):
        check_same_classes(named("mine_train", "cat", "dog"), named("mine_val", *classes))
