"""What a config says of the training set: a part of it, always the same; stages of the loader."""

import json
import logging

import pytest
import torch

from aligndetr.configs.common.dense import stages
from aligndetr.engine.loaders_from_config import (
    build_evaluator,
    build_train_loader,
    load_dataset,
)
from aligndetr.engine.plan import make_plan
from aligndetr.engine.run import evaluate, train
from aligndetr.errors import ConfigError, DataError


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


def test_a_run_is_resumed_within_a_stage_bit_by_bit(tiny_config, tmp_path):
    config = tiny_config("train.max_iter=6", "train.checkpointer.period=1", "train.max_images=7")
    node = config.dataloader.train
    resize = {"_target_": "aligndetr.data.augmentation.ResizeShortestEdge", "short_edge_length": 48}
    node.stages = stages(node, size=48, resize=resize)  # from step 1 of 6 to step 3, and step 5.4
    node.balancing = {"_target_": "aligndetr.data.ClassBalanced"}
    config.train.checkpointer.max_to_keep = None
    train(config)
    folder = tmp_path / "run"
    whole = torch.load(folder / "model_final.pth", weights_only=True)
    for path in folder.glob("model_*.pth"):
        if path.name not in ("model_0000000.pth", "model_0000001.pth"):
            path.unlink()
    (folder / "last_checkpoint").write_text("model_0000001.pth")  # step 2 comes next
    train(config, resume=True)
    resumed = torch.load(folder / "model_final.pth", weights_only=True)
    assert whole["loader"] == resumed["loader"]
    for name, value in whole["model"].items():
        assert torch.equal(resumed["model"][name], value), name


def test_the_diagnosis_of_the_paper_takes_one_override(tiny_config):
    """Beside COCO's numbers, at each evaluation, of any config."""
    results = train(tiny_config("train.diagnosis=[alignment]", "train.max_iter=1"))
    assert results.keys() == {"bbox", "alignment"}
    assert {"recall@1", "covered", "pearson"} <= results["alignment"].keys()


def test_diagnoses_beside_those_that_are_there(tiny_config):
    config = tiny_config("train.diagnosis=[analysis,alignment]")
    own = {"dataset": "${dataloader.test.dataset}"}
    config.dataloader.evaluator = [
        {"_target_": f"aligndetr.evaluation.{name}Evaluator", **own}
        for name in ("COCO", "Alignment")
    ]
    dataset = load_dataset(config, "test")
    tasks = [evaluator.task for evaluator in build_evaluator(config, dataset)]
    assert tasks == ["bbox", "alignment", "analysis"]
    config.train.diagnosis = ["aligment"]
    with pytest.raises(ConfigError, match="no 'aligment'; choose alignment, analysis"):
        build_evaluator(config, dataset)


def other_test_data(coco_folder, tmp_path, change):
    """An override to judge by the same images with changed annotations."""
    content = json.loads((coco_folder / "boxes.json").read_text())
    change(content)
    (tmp_path / "other.json").write_text(json.dumps(content))
    return f"dataloader.test.dataset.json_file={tmp_path}/other.json"


def test_classes_that_mean_something_else_are_refused_at_the_start(
    tiny_config, coco_folder, tmp_path
):
    def swap(content):
        first, second, _ = content["categories"]
        first["name"], second["name"] = second["name"], first["name"]

    override = other_test_data(coco_folder, tmp_path, swap)
    with pytest.raises(DataError, match=r"class 0 is 'red' in boxes, .*'green' in other"):
        train(tiny_config(override))
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_data_that_cannot_be_judged_are_refused_at_the_start(tiny_config, coco_folder, tmp_path):
    def as_lvis(content):
        for image in content["images"]:
            image |= {"neg_category_ids": [], "not_exhaustive_category_ids": []}

    override = other_test_data(coco_folder, tmp_path, as_lvis)
    with pytest.raises(DataError, match=r"other lists negative .*LVISEvaluator"):
        train(tiny_config(override))
    lvis = "dataloader.evaluator._target_=aligndetr.evaluation.lvis.LVISEvaluator"
    with pytest.raises(DataError, match="take COCOEvaluator"):
        train(tiny_config(lvis))
    with pytest.raises(DataError, match="must have a frequency"):
        train(tiny_config(override, lvis))
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_data_that_are_not_there_are_explained(tiny_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    key = "dataloader.train.dataset.json_file"
    message = rf"no\.json does not exist.*; {key}=no\.json is relative .*{tmp_path}: .*{key}=\.\.\."
    with pytest.raises(DataError, match=message):
        load_dataset(tiny_config(f"{key}=no.json"), "train")


def test_a_place_in_the_config_of_a_checkpoint_is_said_to_be_its(
    tiny_config, coco_folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(coco_folder)
    key = "dataloader.test.dataset.json_file"
    train(tiny_config("train.max_iter=1", f"{key}=boxes.json"))
    checkpoint = str(tmp_path / "run" / "model_final.pth")
    evaluate(tiny_config(f"{key}=boxes.json"), checkpoint)
    monkeypatch.chdir(tmp_path)
    message = rf"{key}=boxes\.json comes from the config in {checkpoint} and is relative"
    with pytest.raises(DataError, match=message):
        evaluate(tiny_config(f"{key}=boxes.json"), checkpoint)
    with pytest.raises(DataError, match=rf"{key}=no\.json is relative"):  # the user's word
        evaluate(tiny_config(f"{key}=no.json"), checkpoint)
