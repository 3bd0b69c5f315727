"""`aligndetr doctor`: which datasets it examines, and which of them count as trained on."""

import json

import numpy as np
import pytest
from PIL import Image

from aligndetr import cli
from aligndetr.data import register_coco_instances

CONFIG = """
from aligndetr.config import LazyCall as L
from aligndetr.data import load_dataset

model = dict(num_classes=2, num_queries=16, criterion=dict(match_num=[2, 2]))
dataloader = dict(
    train=dict(dataset=L(load_dataset)(names="of_the_config_train")),
    test=dict(dataset=L(load_dataset)(names="of_the_config_val")),
)
"""


@pytest.fixture
def doctor(tmp_path, monkeypatch, capsys):
    """The command in an empty folder, ended well; what it printed, on one line."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        assert cli.main(["doctor", *map(str, words)]) == 0
        return " ".join(capsys.readouterr().out.split())

    return run


def draw(path, number):
    """A picture that looks like no other one."""
    coarse = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((40, 30), Image.Resampling.BICUBIC).save(path)


def write_coco(folder, split, first, names=("ant", "bee")):
    """Ten images with three ants; the first two have a bee, too, which is rare."""
    folder.mkdir(exist_ok=True)
    images, annotations = [], []
    for number in range(first, first + 10):
        draw(folder / f"{number}.png", number)
        images.append({"id": number, "file_name": f"{number}.png", "height": 30, "width": 40})
        for kind in [0, 0, 0, *([1] if number < first + 2 else [])]:
            place = {"id": len(annotations), "image_id": number, "category_id": kind}
            annotations.append({**place, "bbox": [len(annotations) % 9, 2, 8, 9], "iscrowd": 0})
    categories = [{"id": kind, "name": name} for kind, name in enumerate(names)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path = folder / f"{split}.json"
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def three_splits(tmp_path):
    folder = tmp_path / "own"
    for number, split in enumerate(("train", "val", "test")):
        write_coco(folder, split, 10 * number)
    return folder


@pytest.fixture
def config(tmp_path):
    """A config of other data, of other classes, whose images are in both parts."""
    for part in ("train", "val"):
        path = write_coco(tmp_path / "other", part, 90, ("x", "y"))
        register_coco_instances(f"of_the_config_{part}", path, path.parent)
    path = tmp_path / "config.py"
    path.write_text(CONFIG)
    return path


def test_what_is_named_takes_the_place_of_the_configs_data(doctor, three_splits, config):
    assert "images are in both of_the_config_train and of_the_config_val" in doctor(
        "--config-file", config
    )
    output = doctor("--config-file", config, three_splits)
    assert "of_the_config" not in output
    assert "different classes" not in output
    assert output.count(" 10 images, ") == 3
    output = doctor("--config-file", config, "of_the_config_val")
    assert "of_the_config_train" not in output


def test_copies_and_balancing_are_for_what_is_trained_on(doctor, three_splits, config):
    output = doctor("--config-file", config, three_splits, "model.num_queries=7")
    test, train, val = output.split(" annotations ")[1:]
    # 7 queries are 2 copies of none: of 3 boxes there would be 12, of 4 boxes 16
    assert "10 x images lose copies" in train
    assert "model.num_queries=16" in train
    assert "their images more often: '+dataloader.train.balancing=" in train
    for part in (val, test):
        assert "1 x classes are rare (their AP will be low and vary) bee: 2 boxes" in part
        assert "lose copies" not in part
        assert "queries" not in part
        assert "dataloader.train.balancing" not in part


@pytest.mark.parametrize("name", ["own_val2017", "own_train2017", "own"])
def test_a_name_or_file_says_whether_it_is_trained_on(doctor, tmp_path, name):
    path = write_coco(tmp_path / "own", name, 0)
    register_coco_instances(name, path, path.parent)
    is_trained_on = name != "own_val2017"
    assert ("dataloader.train.balancing" in doctor(name)) is is_trained_on
    arguments = ("--json-file", path, "--image-root", path.parent)
    assert ("dataloader.train.balancing" in doctor(*arguments)) is is_trained_on


@pytest.fixture
def voc(tmp_path):
    """Writes a Pascal VOC folder of six images with these split lists."""

    def write(**lists):
        root = tmp_path / "voc"
        for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
            (root / folder).mkdir(parents=True)
        for number in range(6):
            draw(root / "JPEGImages" / f"{number}.png", number)
            corners = "".join(f"<{side}>9</{side}>" for side in ("xmin", "ymin"))
            corners += "".join(f"<{side}>20</{side}>" for side in ("xmax", "ymax"))
            thing = f"<object><name>ant</name><bndbox>{corners}</bndbox></object>"
            text = f"<annotation>{thing}</annotation>"
            (root / "Annotations" / f"{number}.xml").write_text(text)
        for name, numbers in lists.items():
            lines = "".join(f"{number}\n" for number in numbers)
            (root / "ImageSets" / "Main" / f"{name}.txt").write_text(lines)
        return root

    return write


def test_a_union_of_splits_is_left_out(doctor, voc):
    output = doctor(voc(train=[0, 1, 2], val=[3, 4], trainval=[4, 3, 2, 1, 0], test=[5]))
    assert output.startswith(
        "voc_trainval is left out: it is voc_train and voc_val together voc_test "
    )
    assert output.count("annotations ") == 3
    assert "in both" not in output
    assert "the split leaks" not in output


def test_a_split_that_holds_more_or_less_than_others_is_examined(doctor, voc):
    output = doctor(voc(train=[0, 1], val=[2, 3], trainval=[0, 1, 2, 3, 4], test=[5]))
    assert "left out" not in output
    assert "2 x images are in both voc_train and voc_trainval" in output


def test_a_leak_into_train_is_no_union(doctor, voc):
    output = doctor(voc(train=[0, 1, 2, 3], val=[0, 1], test=[2, 3]))
    assert "left out" not in output
    assert "2 x images are in both voc_train and voc_val" in output
    assert "2 x images are in both voc_test and voc_train" in output


def test_lists_that_cannot_be_read_are_reported(voc, capsys):
    root = voc(train=[0, 1], val=[2, 3], trainval=[0, 1, 2, 3])
    (root / "ImageSets" / "Main" / "val.txt").write_bytes(b"\xff")
    assert cli.main(["doctor", str(root)]) == 1
    output = " ".join(capsys.readouterr().out.split())
    assert "val.txt is not a text file" in output
    assert "2 x images are in both voc_train and voc_trainval" in output
