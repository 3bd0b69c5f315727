"""Each broken file is named, with its line; nothing else than a DataError comes out."""

import shutil

import pytest

from aligndetr.data.dataset import load_dataset
from aligndetr.data.entries import EntriesError
from aligndetr.data.formats import read, recognise
from aligndetr.errors import DataError


def refused(folder, split="train"):
    with pytest.raises(DataError) as caught:
        load_dataset(None, path=folder, split=split)
    return str(caught.value)


@pytest.fixture
def yolo(write_form):
    return write_form("yolo")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("6 0.5 0.5 0.1 0.1", "has class 6, but the classes are 0 to 5"),
        ("-1 0.5 0.5 0.1 0.1", "has class -1"),
        ("0.5 0.5 0.5 0.1 0.1", "has class 0.5"),
        ("0 0.5 0.5 0.1", "has 4 numbers"),
        ("0 0.5 0.5 0.1 0.1 0.9", "are these predictions?"),
        ("0 0.5 0.5 0.1 nan", "not a line of numbers"),
        ("0 0.5 0.5 0.1 1_0", "not a line of numbers"),
        ("circle 0.5 0.5 0.1 0.1", "not a line of numbers"),
        ("0 50 50 10 10", "look like percent"),
        ("0 320 240 64 48", "look like pixels"),
        ("0 -0.2 0.5 0.1 0.1", "look like pixels"),
    ],
)
def test_a_line_of_yolo(yolo, line, words):
    path = yolo / "labels" / "train" / "train_000002.txt"
    path.write_text(f"0 0.5 0.5 0.1 0.1\n\n{line}\n")
    message = refused(yolo)
    assert f"{path}:3 " in message
    assert words in message


def test_all_bad_lines_are_collected(yolo):
    path = yolo / "labels" / "train" / "train_000002.txt"
    path.write_text("9 0 0 0 0\n0 a b c d\n")
    with pytest.raises(EntriesError) as caught:
        read(recognise(yolo, "train"))
    assert [line.split()[0] for line in caught.value.defects] == [f"{path}:1", f"{path}:2"]


def test_polygons_become_their_boxes(yolo):
    path = yolo / "labels" / "train" / "train_000001.txt"
    path.write_text("2 0.25 0.5 0.5 0.25 0.75 0.5\n")
    reading = read(recognise(yolo, "train"))
    (box,) = (a for a in reading.content["annotations"] if a["image_id"] == 1)
    image = reading.content["images"][0]
    width, height = image["width"], image["height"]
    assert box["bbox"] == pytest.approx([width / 4, height / 4, width / 2, height / 4])
    assert reading.remarks["lines are polygons (their bounding boxes are taken)"] == [f"{path}:1"]


def test_labels_without_image_and_images_without_label(yolo):
    labels = yolo / "labels" / "train"
    (labels / "train_000001.txt").rename(labels / "stray.txt")
    remarks = read(recognise(yolo, "train")).remarks
    assert remarks == {
        "images have no label file (they count as images without objects)": [
            str(labels / "train_000001.txt")
        ],
        "label files have no image (left out)": [str(labels / "stray.txt")],
    }


def test_an_image_that_a_list_names_but_is_not_there(yolo):
    images = sorted((yolo / "images" / "train").iterdir())
    lines = [f"./images/train/{path.name}" for path in images]
    (yolo / "train.txt").write_text("\n".join([*lines[:2], "", "images/ghost.png", *lines[2:]]))
    config = (yolo / "data.yaml").read_text().replace("train: images/train", "train: train.txt")
    (yolo / "data.yaml").write_text(config)
    message = refused(yolo)
    assert f"{yolo}/train.txt:4 names {yolo}/images/ghost.png, which does not exist" in message
    assert "image_root" not in message
    (yolo / "images" / "ghost.png").write_bytes(b"none")
    assert f"{yolo}/train.txt:4: " in refused(yolo)


def test_images_of_which_none_has_a_label_file(yolo):
    shutil.move(yolo / "labels", yolo / "texts")
    message = refused(yolo)
    assert "data.yaml: none of the 12 images of train has a label file; looked in " in message
    assert f"{yolo}/labels/train for train_000001.txt" in message
    label = yolo / "labels" / "train" / "train_000002.txt"
    label.parent.mkdir(parents=True)
    label.write_text("")  # an image without objects
    assert len(load_dataset(None, path=yolo, split="train")) == 12
    (yolo / "classes.txt").write_text("cat\n")
    (yolo / "data.yaml").unlink()
    label.unlink()
    assert f"none of the 16 images of the dataset has a label file; looked in {yolo}" in refused(
        yolo, None
    )


def test_a_test_split_may_come_without_labels(yolo):
    with open(yolo / "data.yaml", "a") as file:
        file.write("test: images/test\n")
    shutil.copytree(yolo / "images" / "val", yolo / "images" / "test")
    reading = read(recognise(yolo, "test"))
    assert len(reading.content["images"]) == 4
    words = "images have no label file (they count as images without objects)"
    assert len(reading.remarks[words]) == 4


def test_boxes_without_area_are_left_out_and_counted(yolo, caplog):
    (yolo / "labels" / "train" / "train_000001.txt").write_text("0 0.5 0.5 0 0.1\n")
    assert load_dataset(None, path=yolo, split="train")[0]["annotations"] == []
    assert "left out 1 boxes without a positive size" in caplog.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: images/train\nnames: [a, b\nval: x\n", "data.yaml, line 3"),
        ("train: images/train\nnames: {0: a, 2: b}\n", "without gaps"),
        ("train: images/train\nnames: 3\n", "must be a list of class names"),
        ("train: images/train\nnames: [a, [b]]\n", "names must be a list of texts"),
        ("train: images/train\nnames: [a]\nnc: 2\n", "nc must be 1, the number of names"),
        ("train: 5\nnames: [a]\n", "must be a folder"),
        ("train: https://somewhere/x.zip\nnames: [a]\n", "no folder of images"),
        ("path: /nowhere/at/all\ntrain: images/train\nnames: [a]\n", "leave path out"),
        ("train: images\nval: images/val\nnames: !!python/object/apply:os.system [ls]\n", "line 3"),
        ("[" * 5000, "data.yaml"),
    ],
)
def test_data_yaml(yolo, text, words):
    (yolo / "data.yaml").write_text(text)
    assert words in refused(yolo)


def test_names_that_grow_without_bound_are_refused(yolo):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for n in range(1, 12):
        lines.append(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]")
    (yolo / "data.yaml").write_text("\n".join([*lines, "train: images/train", "names: *a11"]))
    assert len(refused(yolo)) < 1000


def test_the_leading_dots_of_exporters(yolo):
    path = yolo / "data.yaml"
    path.write_text(path.read_text().replace("images/train", "../images/train"))
    assert len(load_dataset(None, path=yolo, split="train")) == 12


@pytest.fixture
def voc(write_form):
    return write_form("voc")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<annotation>\n<object>\n</annotation>", ".xml:3 is broken XML"),
        ("", ".xml:1 is broken XML"),
        ("<a><object><name>circle</name></object></a>", "object 1 has the corners"),
        (
            "<a><object><name/><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax>"
            "</bndbox></object></a>",
            "object 1 is a ''",
        ),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
    ],
)
def test_a_file_of_voc(voc, text, words):
    path = voc / "Annotations" / "train_000003.xml"
    path.write_text(text)
    message = refused(voc)
    assert str(path) in message
    assert words in message


def test_an_entity_bomb_is_refused_in_any_encoding(voc):
    entities = ['<!ENTITY e0 "0123456789">']
    entities += [f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12)]
    bomb = f"<!DOCTYPE a [{''.join(entities)}]><a>&e11;</a>"
    for encoding in ("utf-8", "utf-16"):
        (voc / "Annotations" / "train_000003.xml").write_bytes(bomb.encode(encoding))
        assert "document type" in refused(voc)


def test_files_of_voc_that_are_missing(voc):
    with open(voc / "ImageSets" / "Main" / "train.txt", "a") as file:
        file.write("ghost\n")
    assert f"train.txt:13 names ghost, but {voc}/Annotations/ghost.xml does not" in refused(voc)
    (voc / "Annotations" / "ghost.xml").write_text("<a/>")
    assert "ghost.xml has no image" in refused(voc)


def test_voc_that_counts_from_0_and_difficult_objects(voc):
    path = voc / "Annotations" / "train_000001.xml"
    box = "<xmin>0</xmin><ymin>3</ymin><xmax>10</xmax><ymax>9</ymax>"
    path.write_text(
        f"<a><object><name>ring</name><difficult>1</difficult><bndbox>{box}</bndbox></object></a>"
    )
    reading = read(recognise(voc, "train"))
    first = reading.content["annotations"][0]
    assert (first["bbox"], first["iscrowd"]) == ([-1, 2, 11, 7], 1)
    assert len(reading.remarks) == 2
    assert any("VOC counts pixels from 1" in words for words in reading.remarks)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a.png,1,2,3", "has 4 cells, the header 6"),
        ("a.png,1,2,x,4,ring", "has no class and box"),
        ("a.png,1,2,3,4,", "has no class and box"),
        ("ghost.png,1,2,3,4,ring", "ghost.png does not exist"),
    ],
)
def test_a_line_of_csv(write_form, line, words):
    path = write_form("csv") / "train.csv"
    count = len(path.read_text().splitlines())
    with open(path, "a") as file:
        file.write(line + "\n")
    message = refused(path.parent)
    assert f"{path}:{count + 1}" in message
    assert words in message


def test_a_csv_without_header(write_form):
    path = write_form("csv") / "train.csv"
    path.write_text(path.read_text().split("\n", 1)[1])
    assert "train.csv:1 must name the columns" in refused(path.parent)


@pytest.mark.parametrize(("sign", "shown"), [(";", "';'"), ("\t", r"'\t'")])
def test_a_csv_with_other_separators(write_form, sign, shown):
    path = write_form("csv") / "train.csv"
    path.write_text(path.read_text().replace(",", sign))
    message = refused(path.parent)
    assert f"{path}:1 must name the columns file_name" in message
    assert message.endswith(f"; the separator must be a comma, not {shown}")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "no file_name"),
        ('{"file_name": "train_000001.png", "objects": 3}', "without bbox and categories"),
        ('{"file_name": "train_000001.png", "objects": {"bbox": [[1, 2, 3, 4]]}}', "as many"),
        (
            '{"file_name": "train_000001.png", "objects": {"bbox": [[1, 2, 3]], "category": [0]}}',
            "must be [x, y, width, height]",
        ),
        (
            '{"file_name": "train_000001.png", "objects": {"bbox": [[1, 2, 3, NaN]], '
            '"category": [0]}}',
            "within 1e9",
        ),
        (
            '{"file_name": "train_000001.png", "objects": {"bbox": [[1, 2, 3, 4]], '
            '"category": [null]}}',
            "must be a name",
        ),
    ],
)
def test_a_line_of_json(write_form, line, words):
    path = write_form("jsonl") / "train" / "metadata.jsonl"
    with open(path, "a") as file:
        file.write(line + "\n")
    message = refused(path.parent.parent)
    assert f"{path}:13" in message
    assert words in message


def test_class_numbers_of_json_lines_are_places_in_classes_txt(write_form):
    folder = write_form("jsonl") / "val"
    line = '{"file_name": "val_000001.png", "objects": {"bbox": [[1, 2, 3, 4]], "category": [%d]}}'
    (folder / "classes.txt").write_text("cat\ndog\n")
    (folder / "metadata.jsonl").write_text(line % 1)
    (record,) = load_dataset(None, path=folder)
    assert record["annotations"][0]["category_id"] == 1
    (folder / "metadata.jsonl").write_text(line % 2)
    assert "classes.txt has 2 names" in refused(folder, None)


def test_broken_images_are_named(yolo):
    (yolo / "images" / "train" / "train_000004.png").write_bytes(b"none")
    assert "train_000004.png" in refused(yolo)
