"""Data that are not divided, and divisions that leak."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aligndetr import cli
from aligndetr.data.catalog import label_of
from aligndetr.data.conversion import convert
from aligndetr.data.formats import Source, recognise, sources_at
from aligndetr.doctor import examine, find_leaks
from aligndetr.errors import DataError


def picture(seed):
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((96, 64), Image.Resampling.BICUBIC)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Writes splits, a dict from name to seeds of pictures, below `my data`; it is worked beside.

    Splits with a seed in common have the same pixels, under another name.
    """
    monkeypatch.chdir(tmp_path)

    def write(**splits):
        root = tmp_path / "my data"
        for split, seeds in splits.items():
            folder = root / "images" / split
            folder.mkdir(parents=True)
            content = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "ant"}]}
            for seed in seeds:
                name = f"{split}{seed}.png"
                picture(seed).save(folder / name)
                size = {"height": 64, "width": 96}
                content["images"].append({"id": seed, "file_name": name, **size})
                box = {"image_id": seed, "category_id": 1, "bbox": [2, 2, 30, 30]}
                content["annotations"].append({"id": seed, **box})
            (root / f"{split}.json").write_text(json.dumps(content))
        return root

    return write


def reports(path):
    return [examine(label_of(source), source) for source in sources_at(path)]


def undivided(report):
    """What is said of that; nothing else may be wrong."""
    assert all(finding.title.startswith("dataset is not divided") for finding in report.findings)
    return [(finding.level, *finding.examples) for finding in report.findings]


def test_a_folder_without_splits_gets_the_sentence_of_a_training(data):
    folder = data(boxes=range(3))
    (report,) = reports(folder)
    with pytest.raises(DataError, match="convert-data") as refused:
        recognise(folder / "boxes.json", "val")
    assert undivided(report) == [("warning", str(refused.value))]


def test_yolo_without_a_yaml_is_named_by_its_folder(data):
    convert(data(train=range(3)), "yolo", "yolo")
    folder = sources_at("yolo")[0].path.parent
    (folder / "data.yaml").unlink()
    (folder / "classes.txt").write_text("ant\n")
    (report,) = reports(folder)
    ((level, text),) = undivided(report)
    assert (level, text.split(" is not divided")[0]) == ("warning", str(folder))


def test_what_is_divided_or_named_one_by_one_is_not_warned_of(data):
    folder = data(train=range(3), val=range(5, 8))
    assert [undivided(report) for report in reports(folder)] == [[], []]
    given = Source(folder / "train.json", folder / "images" / "train")  # as json_file, image_root
    assert undivided(examine("named", given)) == []


def type_in(commands):
    for command in commands.split(" && "):
        program, *words = shlex.split(command)
        assert program == "aligndetr"
        assert cli.main(words) == 0


@pytest.mark.parametrize("form", ["coco", "yolo", "voc"])
@pytest.mark.parametrize(
    ("other", "sizes"),
    [("val", {"train": 10, "val": 2}), ("test", {"train": 8, "val": 3, "test": 1})],
)
def test_a_leak_comes_with_the_command_that_mends_it(data, form, other, sizes):
    pytest.importorskip("imagehash")
    convert(data(train=range(12), **{other: [3, 20, 21]}), "my own", form)
    (leak,) = find_leaks(reports("my own"))
    words, commands, _ = leak.title.split("`")
    assert "; leave those of my own_train out, or divide it anew" in words
    assert words.endswith(f"and without my own_{other}: ")
    type_in(commands)
    found = {report.source.split: report for report in reports("NEW")}
    images = {split: report.reading.content["images"] for split, report in found.items()}
    assert {split: len(entries) for split, entries in images.items()} == sizes
    assert find_leaks(list(found.values())) == []


def test_of_two_splits_to_judge_by_the_first_may_do_without(data):
    folder = data(train=range(2), val=[5, 6], test=[6, 7])
    (leak,) = find_leaks([report for report in reports(folder) if "train" not in report.name])
    both = "my data_test and my data_val"
    assert leak.title == f"images are in both {both}; leave those of my data_test out"


@pytest.mark.parametrize("spoil", ["move", "empty"])
def test_yolo_labels_that_hold_nothing_are_an_error(data, spoil, capsys):
    convert(data(train=range(3), val=[5, 6]), "yolo", "yolo")
    if spoil == "move":
        Path("yolo/labels").rename("yolo/boxes")
    else:
        for path in Path("yolo/labels").rglob("*.txt"):
            path.write_text("")
    assert [report.count("error") for report in reports("yolo")] == [1, 1]
    assert cli.main(["doctor", "yolo"]) == 1
    assert "ready for training" not in capsys.readouterr().out
