"""A part of the training set, always the same, of every size within the larger ones."""

import logging

import pytest

from aligndetr.engine.loaders_from_config import build_train_loader, load_dataset
from aligndetr.engine.plan import make_plan
from aligndetr.errors import ConfigError


def identities(dataset):
    return [record["image_id"] for record in dataset]


def test_max_images_takes_the_same_part_of_the_training_set(tiny_config, caplog):
    with caplog.at_level(logging.INFO):
        four = load_dataset(tiny_config("train.max_images=4"), "train")
    assert "4 of 10 images" in caplog.text
    assert len(four) == len(set(identities(four))) == 4
    assert identities(four) == sorted(identities(four)) != [0, 1, 2, 3]
    other_seed = load_dataset(tiny_config("train.max_images=4", "train.seed=7"), "train")
    assert identities(other_seed) == identities(four)
    six = load_dataset(tiny_config("train.max_images=6"), "train")
    assert set(identities(six)) > set(identities(four))
    assert six.class_names == ["red", "green", "blue"]


def test_it_leaves_the_test_set_and_shortens_epochs(tiny_config):
    config = tiny_config("train.max_images=4", "train.max_iter=null", "train.epochs=3")
    assert len(load_dataset(config, "test")) == 10
    dataset = load_dataset(config, "train")
    assert make_plan(config, dataset.epoch_size, 1).max_iter == 6  # 3 * 4 / 2
    everything = load_dataset(tiny_config("train.max_images=99"), "train")
    assert identities(everything) == list(range(10))


@pytest.mark.parametrize(("value", "message"), [("0", "leaves nothing"), ("2.5", "whole number")])
def test_a_number_that_makes_no_sense_is_refused(tiny_config, value, message):
    with pytest.raises(ConfigError, match=message):
        load_dataset(tiny_config(f"train.max_images={value}"), "train")


def test_a_dataset_of_another_kind_is_refused(tiny_config):
    config = tiny_config("train.max_images=2")
    config.dataloader.train.dataset = {"_target_": "builtins.list"}
    with pytest.raises(ConfigError, match="a list has none"):
        load_dataset(config, "train")


def test_stages_are_told_the_length_of_the_training(tiny_config):
    config = tiny_config("train.accumulation_steps=2", "train.max_iter=5")
    config.dataloader.train.stages = [
        {"_target_": "aligndetr.data.Stage", "start": 0.4, "end": 1.0,
         "mapper": {"_target_": "aligndetr.data.DetrMapper", "augmentation": [
             {"_target_": "aligndetr.data.augmentation.Mosaic", "size": 32}]}}
    ]  # fmt: skip
    dataset = load_dataset(config, "train")
    loader = build_train_loader(config, dataset, make_plan(config, dataset.epoch_size, 1))
    batches = iter(loader)
    heights = [next(batches)[0]["image"].shape[1] for _ in range(10)]  # 5 steps of 2 batches
    assert heights == [48] * 4 + [32] * 6
