"""Five crops of real photographs (BCCD, MIT licence), annotated in three forms on disk."""

import shutil
from pathlib import Path

import pytest

from aligndetr.data.dataset import load_dataset
from aligndetr.data.mapper import DetrMapper
from aligndetr.evaluation.ground_truth import load_ground_truth

PHOTOS = Path(__file__).parent / "photos"
FOLDERS = {"coco": "images", "yolo": "images/{split}", "voc": "JPEGImages"}
NAMES = {"train": ("00006", "00008", "00009"), "val": ("00028", "00029")}


@pytest.fixture
def load(tmp_path):
    def load(form, split):
        folder = tmp_path / form
        if not folder.exists():
            shutil.copytree(PHOTOS / form, folder)
            for part, numbers in NAMES.items():
                images = folder / FOLDERS[form].format(split=part)
                images.mkdir(parents=True, exist_ok=True)
                for number in numbers:
                    shutil.copy(PHOTOS / "images" / f"BloodImage_{number}.jpg", images)
        return load_dataset(None, path=folder, split=split)

    return load


@pytest.mark.parametrize("split", ["train", "val"])
def test_three_forms_are_the_same_data(load, split):
    mapper = DetrMapper([], is_train=True)
    datasets = [load(form, split) for form in FOLDERS]
    for dataset in datasets:
        assert dataset.class_names == ["RBC", "WBC", "Platelets"]
        assert len(dataset) == len(NAMES[split])
    for records in zip(*datasets, strict=True):
        names = [{**r, "file_name": Path(r["file_name"]).name} for r in records]
        assert names[0] == names[1] == names[2]
        items = [mapper(record) for record in records]
        for item in items[1:]:
            assert (item["image"] == items[0]["image"]).all()
            boxes = item["instances"].gt_boxes.tensor
            assert (boxes == items[0]["instances"].gt_boxes.tensor).all()
    ids = {record["image_id"] for record in datasets[0]}
    truths = [load_ground_truth(dataset, ids)["annotations"] for dataset in datasets]
    # YOLO and VOC number their classes from 0, the COCO file from 1
    for truth in truths[1:]:
        assert [{**a, "category_id": a["category_id"] + 1} for a in truth] == truths[0]


def test_a_box_by_hand(load):
    # BloodImage_00006.xml begins with a white cell, xmin 1, ymin 70, xmax 130, ymax 240
    first = load("voc", "train")[0]["annotations"][0]
    assert (first["bbox"], first["category_id"]) == ([0, 69, 130, 171], 1)
