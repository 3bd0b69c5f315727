"""The same data in any form gives the same records, numbers of evaluation, and report."""

import json
from pathlib import Path

import pytest

from aligndetr.data.dataset import load_dataset
from aligndetr.data.formats import recognise
from aligndetr.doctor import examine
from aligndetr.evaluation.ground_truth import load_ground_truth

CLASSES = ["circle", "cross", "ring", "square", "star", "triangle"]


def records(dataset):
    """Without the folders of the images."""
    return [{**record, "file_name": Path(record["file_name"]).name} for record in dataset]


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("form", ["coco", "yolo", "voc", "csv", "jsonl"])
def test_records_are_those_of_the_drawn_file(drawn, write_form, form, split):
    folder = write_form(form)
    expected = load_dataset("drawn", drawn / f"{split}.json", drawn / split)
    dataset = load_dataset(None, path=folder, split=split)
    assert recognise(folder, split).format == form
    assert dataset.name == f"my_{form}_{split}"
    assert dataset.class_names == expected.class_names == CLASSES
    assert records(dataset) == records(expected)
    assert all(Path(record["file_name"]).is_file() for record in dataset)
    ids = {record["image_id"] for record in expected}
    assert load_ground_truth(dataset, ids) == load_ground_truth(expected, ids)


@pytest.mark.parametrize("form", ["coco", "yolo", "voc", "csv", "jsonl"])
def test_the_doctor_says_the_same_of_all(drawn, write_form, form):
    report = examine("a", recognise(write_form(form), "train"), num_queries=4, match_num=[2])
    expected = examine("a", recognise(drawn / "train.json"), num_queries=4, match_num=[2])
    assert report.facts[2:] == expected.facts[2:]
    assert report.findings == expected.findings
    assert any("images have no annotation" in finding.title for finding in report.findings)


def test_evaluation_of_perfect_predictions(write_form):
    from aligndetr.evaluation.coco import coco_metrics

    dataset = load_dataset(None, path=write_form("yolo"), split="val")
    truth = load_ground_truth(dataset, {record["image_id"] for record in dataset})
    found = [{**a, "score": 1.0} for a in truth["annotations"]]
    assert coco_metrics(truth, found, dataset.class_names)["AP"] == pytest.approx(100)


def test_a_file_of_a_form_is_recognised_as_well(write_form):
    for form, name in (("yolo", "data.yaml"), ("csv", "val.csv"), ("jsonl", "val/metadata.jsonl")):
        assert recognise(write_form(form) / name, "val").format == form


def test_ids_and_classes_of_the_file_are_kept_for_coco(coco_folder):
    path, _ = coco_folder(
        [(7, (40, 60))], [{"image_id": 7, "category_id": 17, "bbox": [1, 2, 3, 4]}]
    )
    dataset = load_dataset(None, path=path)
    assert dataset.category_ids == [1, 3, 17]
    assert dataset[0]["image_id"] == json.loads(path.read_text())["images"][0]["id"] == 7
