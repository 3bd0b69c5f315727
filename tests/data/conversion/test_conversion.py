import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aligndetr.commands import convert_data
from aligndetr.data.conversion import convert
from aligndetr.data.dataset import load_dataset
from aligndetr.data.formats import Source, read, recognise
from aligndetr.errors import DataError, UserError


def comparable(reading):
    """Content without the folders of the images, as JSON has it."""
    content = json.loads(json.dumps(reading.content))
    for image in content["images"]:
        image["file_name"] = Path(image["file_name"]).name
    return {part: content[part] for part in ("images", "annotations", "categories")}


@pytest.mark.parametrize("to", ["coco", "yolo", "voc"])
@pytest.mark.parametrize("form", ["coco", "yolo", "voc", "csv", "jsonl"])
def test_round_trips_of_whole_pixels_are_exact(write_form, tmp_path, form, to):
    folder = write_form(form)
    conversion = convert(folder, tmp_path / "there", to)
    assert not +conversion.losses
    assert {split: images for split, (images, _) in conversion.sizes.items()} == {
        "train": 12,
        "val": 4,
    }
    convert(tmp_path / "there", tmp_path / "back", "coco")
    for split in ("train", "val"):
        first, there, back = (
            comparable(read(recognise(path, split)))
            for path in (folder, tmp_path / "there", tmp_path / "back")
        )
        assert first == there == back
    assert recognise(tmp_path / "there", "train").format == to


def odd_dataset(coco_folder):
    """Fractions of pixels, a crowd, an area of a mask, boxes over the edge and outside."""
    boxes = [
        {"bbox": [1.234567, 2.5, 10.1, 7.7], "category_id": 3},
        {"bbox": [3, 4, 9, 9], "category_id": 1, "iscrowd": 1},
        {"bbox": [3, 4, 9, 9], "category_id": 17, "area": 50},
        {"bbox": [-2, 4, 9, 40], "category_id": 1},
        {"bbox": [45, 4, 9, 9], "category_id": 1},
        {"bbox": [5, 5, 0, 3], "category_id": 1},
    ]
    return coco_folder([(1, (30, 40))], [{"image_id": 1, **box} for box in boxes])


def test_coco_holds_everything(coco_folder, tmp_path):
    path, folder = odd_dataset(coco_folder)
    conversion = convert(path, tmp_path / "out", "coco")
    assert not +conversion.losses
    written = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert written == json.loads(path.read_text())
    assert comparable(read(recognise(tmp_path / "out"))) == comparable(read(Source(path, folder)))


def test_what_yolo_cannot_hold(coco_folder, tmp_path):
    path, _ = odd_dataset(coco_folder)
    conversion = convert(path, tmp_path / "out", "yolo")
    assert dict(conversion.losses) == {
        "areas that are not width x height": 1,
        "crowds (left out)": 1,
        "boxes reaching over the edge (cut)": 1,
        "boxes outside of their image (left out)": 1,
    }
    annotations = read(recognise(tmp_path / "out", "train")).content["annotations"]
    # 6 decimals of a pixel are exact; classes are counted in the order of their ids 1, 3, 17
    assert [(a["category_id"], a["bbox"]) for a in annotations] == [
        (1, [1.234567, 2.5, 10.1, 7.7]),
        (2, [3, 4, 9, 9]),
        (0, [0, 4, 7, 26]),
        (0, [5, 5, 0, 3]),
    ]


def test_what_voc_cannot_hold(coco_folder, tmp_path):
    path, _ = odd_dataset(coco_folder)
    conversion = convert(path, tmp_path / "out", "voc")
    assert conversion.losses["boxes between pixels (rounded)"] == 1
    annotations = read(recognise(tmp_path / "out", "train")).content["annotations"]
    # [1.23, 2.5] to [11.33, 10.2] becomes [1, 2] to [11, 10]
    assert [(a["bbox"], a["iscrowd"]) for a in annotations] == [
        ([1, 2, 10, 8], 0),
        ([3, 4, 9, 9], 1),
        ([3, 4, 9, 9], 0),
        ([0, 4, 7, 26], 0),
        ([5, 5, 0, 3], 0),
    ]


def pictures(folder, count):
    """Noise, each picture twice: saved again, a little smaller, under a name far away."""
    folder.mkdir()
    lines = ["file_name,class,x1,y1,x2,y2"]
    for number in range(count):
        coarse = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC)
        picture.save(folder / f"a{number:02}.png")
        picture.resize((80, 80)).save(folder / f"z{number:02}.jpg", quality=80)
        lines += [f"a{number:02}.png,thing,1,1,50,50", f"z{number:02}.jpg,thing,1,1,40,40"]
    (folder / "boxes.csv").write_text("\n".join(lines) + "\n")


def names(folder, split):
    return {
        Path(record["file_name"]).stem for record in load_dataset(None, path=folder, split=split)
    }


def test_near_duplicates_stay_together_and_the_split_is_always_the_same(tmp_path):
    pytest.importorskip("imagehash")
    pictures(tmp_path / "in", 20)
    for name in ("one", "two"):
        convert(tmp_path / "in", tmp_path / name, "coco", {"val": 0.2, "test": 0.1})
    train, val, test = (names(tmp_path / "one", split) for split in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (28, 8, 4)
    for part in (train, val, test):
        assert {name[1:] for name in part if name[0] == "a"} == {
            name[1:] for name in part if name[0] == "z"
        }
    assert not train & val | train & test | val & test
    assert names(tmp_path / "two", "val") == val


def test_the_split_does_not_depend_on_the_order_of_the_images(tmp_path):
    pytest.importorskip("imagehash")
    pictures(tmp_path / "in", 20)
    convert(tmp_path / "in", tmp_path / "first", "coco")
    path = tmp_path / "first" / "annotations.json"
    content = json.loads(path.read_text())
    parts = []
    for number in range(3):
        order = np.random.default_rng(number).permutation(40)
        images = [content["images"][place] for place in order]
        path.write_text(json.dumps({**content, "images": images}))
        convert(path, tmp_path / f"{number}", "coco", {"val": 0.3, "test": 0.2})
        parts.append([names(tmp_path / f"{number}", split) for split in ("train", "val", "test")])
    assert [len(part) for part in parts[0]] == [20, 12, 8]
    assert parts[0] == parts[1] == parts[2]


@pytest.mark.parametrize("name", ["a", "b", "c", "d"])
def test_classes_are_divided_as_the_images_are(coco_folder, tmp_path, name):
    pytest.importorskip("imagehash")
    path, folder = coco_folder([(number, (96, 96)) for number in range(20)], [])
    content = json.loads(path.read_text())
    for image in content["images"]:
        image["file_name"] = f"{name}{image['id']}.png"
        coarse = np.random.default_rng(image["id"]).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC)
        picture.save(folder / image["file_name"])
    kinds = {1: range(20), 3: range(10), 17: range(3, 8)}  # in all images, in a half, a quarter
    content["annotations"] = [
        {"id": 100 * kind + number, "image_id": number, "category_id": kind, "bbox": [1, 1, 9, 9]}
        for kind, numbers in kinds.items()
        for number in numbers
    ]
    path.write_text(json.dumps(content))
    convert(path, tmp_path / "out", "coco", {"val": 0.2})
    val = json.loads((tmp_path / "out" / "val.json").read_text())
    counts = dict.fromkeys(kinds, 0)
    for annotation in val["annotations"]:
        counts[annotation["category_id"]] += 1
    assert len(val["images"]) == 4
    assert counts == {1: 4, 3: 2, 17: 1}


def test_a_missing_split_is_taken_from_train(tmp_path):
    pytest.importorskip("imagehash")
    pictures(tmp_path / "in", 10)
    lines = (tmp_path / "in" / "boxes.csv").read_text().splitlines()
    (tmp_path / "in" / "boxes.csv").unlink()
    for split, part in (("train", lines[1:17]), ("test", lines[17:])):
        (tmp_path / "in" / f"{split}.csv").write_text("\n".join([lines[0], *part]) + "\n")
    convert(tmp_path / "in", tmp_path / "out", "coco", {"val": 0.25})
    train, val, test = (names(tmp_path / "out", split) for split in ("train", "val", "test"))
    assert test == names(tmp_path / "in", "test")
    assert train | val == names(tmp_path / "in", "train")
    assert (len(train), len(val)) == (12, 4)  # a quarter of 16
    with pytest.raises(DataError, match="has splits already: test, train"):
        convert(tmp_path / "in", tmp_path / "more", "coco", {"val": 0.2, "test": 0.1})


def test_a_share_that_leaves_nothing(tmp_path):
    pytest.importorskip("imagehash")
    pictures(tmp_path / "in", 1)
    with pytest.raises(DataError, match="2 images in 1 groups of near-duplicates leave none for"):
        convert(tmp_path / "in", tmp_path / "out", "coco", {"val": 0.5})
    assert not (tmp_path / "out").exists()


def test_refusals_leave_nothing_behind(write_form, tmp_path):
    folder = write_form("coco")
    with pytest.raises(DataError, match="has splits already: train, val"):
        convert(folder, tmp_path / "out", "yolo", {"val": 0.2})
    (folder / "images" / "val" / "val_000002.png").unlink()
    with pytest.raises(DataError, match=r"val_000002.png does not exist"):
        convert(folder, tmp_path / "out", "yolo")
    with pytest.raises(DataError, match="exists: choose another"):
        convert(folder, folder, "yolo")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my_coco"]


@pytest.mark.parametrize(
    ("categories", "words"),
    [
        ([(0, "cat"), (1, "dog")], "only train has eel and only val has dog"),
        ([(0, "cat")], "different classes: only train has eel;"),
        ([(0, "eel"), (1, "cat")], "train has cat, eel, val in another order eel, cat"),
    ],
)
def test_classes_that_differ_are_named(tmp_path, categories, words):
    for split, own in (("train", [(0, "cat"), (1, "eel")]), ("val", categories)):
        Image.new("RGB", (9, 9)).save(tmp_path / f"{split}.png")
        content = {
            "images": [{"id": 1, "file_name": f"{split}.png", "height": 9, "width": 9}],
            "categories": [{"id": identity, "name": name} for identity, name in own],
        }
        (tmp_path / f"{split}.json").write_text(json.dumps(content))
    with pytest.raises(DataError) as caught:
        convert(tmp_path, tmp_path / "out", "yolo")
    assert "train and val have different classes: " in str(caught.value)
    assert words in str(caught.value)


def test_remarks_on_all_splits_are_counted(write_form, tmp_path):
    folder = write_form("yolo")
    for name in ("train/train_000001", "train/train_000002", "val/val_000001"):
        (folder / "labels" / f"{name}.txt").unlink()
    remarks = convert(folder, tmp_path / "out", "coco").remarks
    assert remarks == {"images have no label file (they count as images without objects)": 3}


def test_names_that_clash_without_their_suffix(coco_folder, tmp_path):
    path, folder = coco_folder(
        [(1, (9, 9))], [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}]
    )
    Image.new("RGB", (9, 9)).save(folder / "1.jpg")
    content = json.loads(path.read_text())
    content["images"].append({**content["images"][0], "id": 2, "file_name": "1.jpg"})
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"several images would be called 1\.\*"):
        convert(path, tmp_path / "out", "yolo")


def test_the_command_says_what_is_lost(coco_folder, tmp_path, capsys):
    import argparse

    parser = argparse.ArgumentParser()
    convert_data.add_arguments(parser)
    path, _ = odd_dataset(coco_folder)
    words = [str(path), str(tmp_path / "out"), "--to", "yolo"]
    assert convert_data.run(parser.parse_args(words)) == 0
    output = capsys.readouterr().out
    assert "all: 1 images, 6 boxes\n" in output
    assert "yolo cannot hold: 1 crowds (left out)\n" in output
    with pytest.raises(UserError, match="below 1 in sum"):
        convert_data.run(parser.parse_args([*words, "--val", "0.7", "--test", "0.5"]))
