"""Images that lie in the folder but are not annotated, and the other way round."""

import json
import os
import shutil

import pytest
from PIL import Image

from aligndetr.data.dataset import load_dataset
from aligndetr.data.formats import Source, coco, read, recognise
from aligndetr.data.formats.named_images import MISSING, UNNAMED

FOLDERS = {"coco": "images/train", "csv": "images", "jsonl": "train"}


def remarks(folder, split="train"):
    return read(recognise(folder, split)).remarks


@pytest.mark.parametrize("form", FOLDERS)
def test_images_that_are_not_named_are_counted(write_form, form, caplog):
    folder = write_form(form)
    images = folder / FOLDERS[form]
    assert remarks(folder) == {}  # all images of a CSV lie in one folder, with those of val
    for name in ("new.png", "more.JPG", ".hidden.png", "notes.txt"):
        shutil.copy(images / "train_000001.png", images / name)
    assert remarks(folder) == {UNNAMED: ["more.JPG", "new.png"]}
    assert len(load_dataset(None, path=folder, split="train")) == 12
    assert f"2 {UNNAMED}, such as more.JPG" in caplog.text


def test_folders_of_splits_have_images_of_the_same_names(write_form):
    """An image of train is not one of val because val has one of the same name."""
    folder = write_form("jsonl")
    name = "val_000001.png"
    shutil.copy(folder / "val" / name, folder / "train" / name)
    assert remarks(folder) == {UNNAMED: [name]}
    assert remarks(folder, "val") == {}


def test_coco_files_that_share_a_folder(write_form, monkeypatch):
    folder, looked = write_form("coco"), []
    for split in ("train", "val"):
        for path in (folder / "images" / split).iterdir():
            shutil.move(path, folder / "images" / path.name)
    shutil.copy(folder / "images" / "val_000001.png", folder / "images" / "new.png")
    assert remarks(folder) == remarks(folder, "val") == {UNNAMED: ["new.png"]}
    annotations = folder / "annotations"
    shutil.copy(annotations / "instances_train.json", annotations / "keypoints_train.json")
    read_file = coco.read_coco_json
    monkeypatch.setattr(coco, "read_coco_json", lambda p: looked.append(p.name) or read_file(p))
    assert remarks(folder, "val") == {UNNAMED: ["new.png"]}
    assert looked == ["instances_val.json", "instances_train.json"]
    alone = Source(annotations / "instances_val.json", folder / "images")
    assert read(alone).remarks == {}  # which other files the folder belongs to is not known


def test_other_folders_are_not_searched(write_form):
    folder = write_form("csv")
    (folder / "images" / "old").mkdir()
    shutil.copy(folder / "images" / "val_000001.png", folder / "images" / "old")
    assert remarks(folder) == {}


def test_missing_images_of_a_coco_file_are_said_before_training(write_form, caplog):
    folder = write_form("coco")
    for number in (7, 3):
        (folder / "images" / "train" / f"train_{number:06}.png").unlink()
    missing = ["train_000003.png", "train_000007.png"]
    assert remarks(folder) == {MISSING: missing}
    assert len(load_dataset(None, path=folder, split="train")) == 12
    assert f"2 {MISSING}, such as train_000003.png" in caplog.text


def test_folders_are_listed_once_and_files_not_asked(write_form, monkeypatch):
    folder = write_form("coco")
    path = folder / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    for image in content["images"][:6]:
        image["file_name"] = f"./../train/{image['file_name']}"
    path.write_text(json.dumps(content))
    listed, asked = [], []
    listdir, isfile = os.listdir, os.path.isfile
    monkeypatch.setattr(os, "listdir", lambda path: listed.append(str(path)) or listdir(path))
    monkeypatch.setattr(os.path, "isfile", lambda path: asked.append(str(path)) or isfile(path))
    assert remarks(folder) == {}
    assert listed.count(str(folder / "images" / "train")) == 1
    # the first image is asked for to find the folder
    assert len([name for name in asked if name.endswith(".png")]) < 6


def test_names_that_only_the_system_knows(coco_folder, monkeypatch):
    """Where "1.PNG" opens 1.png, the image is not missing."""
    path, folder = coco_folder([(1, (9, 9))], [])
    path.write_text(path.read_text().replace("1.png", "1.PNG"))
    assert read(Source(path, folder)).remarks == {MISSING: ["1.PNG"]}
    isfile = os.path.isfile
    monkeypatch.setattr(os.path, "isfile", lambda path: isfile(str(path).replace("PNG", "png")))
    assert read(Source(path, folder)).remarks == {}


def test_a_name_that_no_system_takes_is_missing(coco_folder):
    path, folder = coco_folder([(1, (9, 9)), (2, (9, 9))], [])
    content = json.loads(path.read_text())
    content["images"][0]["file_name"] = "a\0b/1.png"
    content["images"][1]["file_name"] = "x" * 4000 + "/2.png"
    path.write_text(json.dumps(content))
    assert len(read(Source(path, folder)).remarks[MISSING]) == 2


def roboflow(folder, labels):
    """A folder for each split, with `_annotations.csv` and one image a label in it."""
    for split, names in labels.items():
        (folder / split).mkdir()
        lines = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
        for number, name in enumerate(names):
            Image.new("RGB", (60, 40)).save(folder / split / f"{number}.jpg")
            lines.append(f"{number}.jpg,60,40,{name},1,2,30,20")
        (folder / split / "_annotations.csv").write_text("\n".join(lines) + "\n")


def test_classes_of_a_csv_are_those_of_all_splits(tmp_path):
    roboflow(tmp_path, {"train": ["cat", "dog", "eel"], "valid": ["dog"], "test": ["fox"]})
    for split, index in (("train", 0), ("val", 1), ("test", 3)):
        dataset = load_dataset(None, path=tmp_path, split=split)
        assert dataset.class_names == ["cat", "dog", "eel", "fox"]
        assert dataset[0]["annotations"][0]["category_id"] == index
    # also of a split that is given by its file
    alone = load_dataset(None, path=tmp_path / "valid" / "_annotations.csv")
    assert alone.class_names == ["cat", "dog", "eel", "fox"]


def test_classes_of_a_csv_in_another_folder_or_beside(tmp_path):
    roboflow(tmp_path, {"train": ["cat"], "valid": ["dog"]})
    shutil.move(tmp_path / "train" / "_annotations.csv", tmp_path / "train.csv")
    (tmp_path / "prices.csv").write_text("class,price\nhat,3\n")  # of no split
    for split in ("train", "val"):
        assert load_dataset(None, path=tmp_path, split=split).class_names == ["cat", "dog"]


def test_another_split_that_is_broken_is_named_by_its_own_reading(tmp_path):
    roboflow(tmp_path, {"train": ["cat"], "valid": ["dog"]})
    (tmp_path / "valid" / "_annotations.csv").write_text("price\n3\n")
    assert load_dataset(None, path=tmp_path, split="train").class_names == ["cat"]
