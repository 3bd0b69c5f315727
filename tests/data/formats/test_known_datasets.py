"""Datasets that are known by name, a few images of each written as their makers describe them."""

import json

import pytest
from PIL import Image

from aligndetr.data.dataset import load_dataset
from aligndetr.data.formats import recognise
from aligndetr.errors import DataError
from aligndetr.evaluation.coco import coco_metrics
from aligndetr.evaluation.ground_truth import load_ground_truth


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    return tmp_path


def picture(path, size=(100, 80)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


def test_crowdhuman(root):
    folder = root / "crowdhuman"
    picture(folder / "Images" / "b,1.jpg")
    picture(folder / "Images" / "a,2.jpg", (60, 50))
    person = {"tag": "person", "fbox": [-5, 1, 20, 30], "vbox": [0, 1, 15, 30], "extra": {"occ": 0}}
    ignored = {"tag": "person", "fbox": [1, 2, 3, 4], "extra": {"ignore": 1}}
    mask = {"tag": "mask", "fbox": [40, 2, 30, 40], "extra": {"ignore": 1}}
    lines = [
        {"ID": "b,1", "gtboxes": [person, ignored, mask]},
        {"ID": "a,2", "gtboxes": []},
    ]
    path = folder / "annotation_val.odgt"
    path.write_text("\n".join(map(json.dumps, lines)))
    dataset = load_dataset("crowdhuman_val")
    assert dataset.class_names == ["person"]
    empty, full = dataset
    assert (empty["height"], empty["width"], empty["annotations"]) == (50, 60, [])
    assert [(a["bbox"], a["iscrowd"]) for a in full["annotations"]] == [
        ([-5, 1, 20, 30], 0),
        ([1, 2, 3, 4], 1),
        ([40, 2, 30, 40], 1),
    ]
    assert list(load_dataset(None, path=folder, split="val")) == list(dataset)
    path.write_text(path.read_text() + '\n{"ID": "a,2", "gtboxes": [{"fbox": [1, 2, 3]}]}')
    with pytest.raises(DataError, match=r"annotation_val.odgt:3 has gtboxes that are not"):
        load_dataset("crowdhuman_val")


LINES = [
    "10,20,30,10,1,4,0,0",  # a car
    "50,20,10,10,0,1,0,0",  # a pedestrian that does not count
    "0,0,20,20,0,0,0,0",  # an ignored region
    "70,60,20,15,0,11,0,0,",  # others; some files end their lines with a comma
]


def test_visdrone(root):
    folder = root / "visdrone" / "VisDrone2019-DET-val"
    picture(folder / "images" / "0.jpg")
    (folder / "annotations").mkdir()
    labels = folder / "annotations" / "0.txt"
    labels.write_text("\n".join(LINES))
    dataset = load_dataset("visdrone_val")
    assert (dataset.num_classes, dataset.class_names[3]) == (10, "car")
    annotations = dataset[0]["annotations"]
    assert [(a["category_id"], a["iscrowd"]) for a in annotations[:2]] == [(3, 0), (0, 1)]
    for region, bbox in ((annotations[2:12], [0, 0, 20, 20]), (annotations[12:], [70, 60, 20, 15])):
        assert [a["category_id"] for a in region] == list(range(10))
        assert all(a["bbox"] == bbox and a["iscrowd"] for a in region)
    assert recognise(root / "visdrone", "val").path == folder
    labels.write_text("\n".join([*LINES, "1,2,3"]))
    with pytest.raises(DataError, match=r"0.txt:5 is not eight numbers"):
        load_dataset("visdrone_val")
    labels.write_text("1,2,3,4,1,12,0,0")
    with pytest.raises(DataError, match=r"0.txt:1 has category 12"):
        load_dataset("visdrone_val")


def test_detections_in_ignored_regions_do_not_count(root):
    folder = root / "visdrone" / "VisDrone2019-DET-val"
    picture(folder / "images" / "0.jpg")
    (folder / "annotations").mkdir()
    (folder / "annotations" / "0.txt").write_text("\n".join(LINES))
    dataset = load_dataset("visdrone_val")
    truth = load_ground_truth(dataset, {1})
    hit = {"image_id": 1, "category_id": 3, "bbox": [10, 20, 30, 10], "score": 0.5}
    inside = {"image_id": 1, "category_id": 3, "bbox": [2, 2, 12, 12], "score": 0.9}
    elsewhere = {**inside, "bbox": [45, 40, 12, 12]}
    assert coco_metrics(truth, [hit, inside], dataset.class_names)["AP-car"] == pytest.approx(100)
    # a better scored mistake: precision is 1/2 at every recall
    assert coco_metrics(truth, [hit, elsewhere], dataset.class_names)["AP-car"] == pytest.approx(50)


def write_coco(path, image):
    path.parent.mkdir(parents=True)
    content = {
        "images": [{"id": 5, "height": 80, "width": 100, **image}],
        "annotations": [{"image_id": 5, "category_id": 1, "bbox": [1, 2, 30, 40]}],
        "categories": [{"id": 1, "name": "person"}],
    }
    path.write_text(json.dumps(content))


def test_objects365_has_other_folders_than_its_file_says(root):
    name = "images/v2/patch16/objects365_v2_00908726.jpg"
    write_coco(root / "objects365/annotations/zhiyuan_objv2_val.json", {"file_name": name})
    picture(root / "objects365/val/patch16/objects365_v2_00908726.jpg")
    (record,) = load_dataset("objects365_v2_val")
    assert record["file_name"] == str(root / "objects365/val/patch16/objects365_v2_00908726.jpg")


def test_lvis_images_are_those_of_coco(root):
    url = {"coco_url": "http://images.cocodataset.org/train2017/000000391895.jpg"}
    write_coco(root / "lvis/lvis_v1_val.json", url)
    picture(root / "coco/train2017/000000391895.jpg")
    (record,) = load_dataset("lvis_v1_val")
    assert record["file_name"] == str(root / "coco/train2017/000000391895.jpg")


@pytest.mark.parametrize("name", ["lvis_v1", "objects365_v2", "crowdhuman", "visdrone"])
def test_a_known_dataset_that_is_not_there(root, name):
    with pytest.raises(DataError, match=r"does not exist|No such file|cannot read"):
        load_dataset(f"{name}_train")
