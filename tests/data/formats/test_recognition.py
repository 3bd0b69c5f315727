import shutil

import pytest

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.data.dataset import load_dataset
from aligndetr.data.formats import recognise, sources_at
from aligndetr.errors import DataError


def test_one_override_serves_training_and_evaluation(write_form):
    folder = write_form("voc")
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    config = LazyConfig.apply_overrides(config, [f"dataloader.train.dataset.path={folder}"])
    assert instantiate(config.dataloader.train.dataset).name == "my_voc_train"
    assert instantiate(config.dataloader.test.dataset).name == "my_voc_val"


def test_a_file_of_training_is_not_evaluated_on(write_form):
    folder = write_form("coco") / "annotations"
    train = folder / "instances_train.json"
    assert recognise(train, "train").path == train
    assert recognise(train).path == train  # split=null
    with pytest.raises(DataError, match="no val split, only train"):
        recognise(train, "val")
    shutil.copy(train, folder / "boxes.json")
    assert recognise(folder / "boxes.json", "train").split is None
    with pytest.raises(DataError, match=r"not divided into train and val.*convert-data"):
        recognise(folder / "boxes.json", "val")


def test_two_forms_in_a_folder_are_not_guessed_between(write_form):
    folder = write_form("yolo")
    (folder / "train.csv").write_text("filename,class,x1,y1,x2,y2\n")
    with pytest.raises(DataError, match=r"several forms.*data.yaml \(yolo\).*train.csv \(csv\)"):
        recognise(folder, "train")
    assert recognise(folder / "data.yaml", "train").format == "yolo"


def test_two_files_of_a_split_are_not_guessed_between(write_form):
    folder = write_form("coco") / "annotations"
    shutil.copy(folder / "instances_train.json", folder / "instances_train2014.json")
    with pytest.raises(DataError, match="both look like the train split"):
        recognise(folder.parent, "train")


def test_other_annotations_beside_coco_boxes_are_left_alone(write_form):
    folder = write_form("coco")
    (folder / "annotations" / "captions_train.json").write_text("{}")
    assert {source.path.name for source in sources_at(folder)} == {
        "instances_train.json",
        "instances_val.json",
    }


def test_words_for_validation(write_form):
    folder = write_form("jsonl")
    (folder / "val").rename(folder / "valid")
    assert recognise(folder, "val").path.parent.name == "valid"
    assert len(load_dataset(None, path=folder, split="val")) == 4


def test_what_is_no_dataset(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        recognise(tmp_path / "nothing")
    with pytest.raises(DataError, match="no dataset that can be read; looked for"):
        recognise(tmp_path)


def test_the_folder_above_a_dataset(write_form, tmp_path):
    folder = write_form("voc")
    above = tmp_path / "VOCdevkit"
    shutil.move(folder, above / "VOC2012")
    (above / "empty").mkdir()
    words = "is no dataset itself; give the folder of one in it: "
    with pytest.raises(DataError, match=rf"VOCdevkit {words}{above}/VOC2012$"):
        recognise(above, "train")
    shutil.copytree(above / "VOC2012", above / "VOC2007")
    with pytest.raises(DataError, match=rf"{words}{above}/VOC2007, {above}/VOC2012$"):
        recognise(above, "train")


def test_path_and_json_file_contradict_each_other(write_form, tmp_path):
    with pytest.raises(DataError, match="leave one out"):
        load_dataset(None, "a.json", tmp_path, path=write_form("csv"))


def test_images_that_are_nowhere(write_form):
    folder = write_form("csv")
    shutil.move(folder / "images", folder / "pictures")
    with pytest.raises(DataError, match="give image_root"):
        load_dataset(None, path=folder, split="val")
    root = folder / "pictures"
    assert len(load_dataset(None, image_root=root, path=folder, split="val")) == 4
