"""A few hundred spoilt annotation files: each gives findings or records, or is refused by name.

Every value of a small valid file is replaced by odd ones, keys are dropped and given twice, bytes
are cut and garbled. Nothing but a `DataError` may come out, and what is loaded can be relied on.
"""

import json
import math

import numpy as np
import pytest
from PIL import Image

from aligndetr.data.augmentation import LabelledImage
from aligndetr.data.dataset import load_dataset
from aligndetr.data.formats import Source
from aligndetr.data.mapper import _objects, make_instances
from aligndetr.doctor import compare_classes, examine, format_report
from aligndetr.errors import DataError
from aligndetr.evaluation.ground_truth import load_ground_truth
from tests.faults.annotations import mutations


def valid_content():
    return {
        "images": [
            {"id": 1, "file_name": "one.png", "height": 20, "width": 30},
            {"id": 2, "file_name": "two.png", "height": 20, "width": 30},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 8.5, 9], "iscrowd": 0},
            {"id": 2, "image_id": 2, "category_id": 5, "bbox": [4, 4, 9, 9], "area": 80.5},
        ],
        "categories": [{"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}],
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutated")
    for number, name in enumerate(("one.png", "two.png")):
        Image.new("RGB", (30, 20), (number, 9, 9)).save(folder / name)
    return folder


def assert_reported(path, folder):
    """The doctor's text says something that can be printed, and gives the number of errors."""
    report = examine("mutated", Source(path, folder), num_queries=1)
    text = format_report(report)
    text += str([finding.examples for finding in compare_classes([report, report], 2)])
    assert text.encode("utf-8")
    assert len(text) < 10_000
    return report.count("error")


def assert_sound(dataset, folder):
    """What everything behind the loaders relies on."""
    json.dumps([dataset.class_names, dataset.category_ids], ensure_ascii=False).encode("utf-8")
    assert all(type(name) is str for name in dataset.class_names)
    assert all(type(identity) is int for identity in dataset.category_ids)
    for record in dataset:
        assert type(record["file_name"]) is str
        assert type(record["image_id"]) is int
        size = record["height"], record["width"]
        assert all(type(side) is int and side > 0 for side in size)
        for entry in record["annotations"]:
            assert type(entry["id"]) is int
            assert entry["iscrowd"] in (0, 1)
            assert 0 <= entry["category_id"] < dataset.num_classes
            assert all(
                type(v) is float and math.isfinite(v) for v in [*entry["bbox"], entry["area"]]
            )
            assert min(entry["bbox"][2:]) > 0
        if max(size) < 1000:
            assert_boxes_inside(record["annotations"], size)
    truth = load_ground_truth(dataset, {record["image_id"] for record in dataset})
    assert all(math.isfinite(entry["area"]) for entry in truth["annotations"])


def assert_boxes_inside(annotations, size):
    pixels = np.zeros((*size, 3), np.uint8)
    boxes = make_instances(LabelledImage(pixels, *_objects(annotations))).gt_boxes.tensor
    assert (boxes >= 0).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert (boxes[:, 0::2] <= size[1]).all()
    assert (boxes[:, 1::2] <= size[0]).all()


def outcome(path, folder):
    """Words for what came of it; an `AssertionError` or any other exception is a failure."""
    errors = assert_reported(path, folder)
    try:
        dataset = load_dataset("mutated", path, folder)
    except DataError as error:
        message = str(error)
    else:
        assert_sound(dataset, folder)
        return "loaded"
    assert str(path) in message
    assert message.encode("utf-8")
    assert len(message) < 600
    assert errors, f"the doctor lets pass what the loader refuses: {message}"
    return "refused"


def test_spoilt_files_are_refused_by_name_or_give_sound_records(folder):
    outcomes, failures = {"refused": 0, "loaded": 0}, []
    path = folder / "mutated.json"
    for name, content in mutations(valid_content()):
        path.write_bytes(content)
        try:
            outcomes[outcome(path, folder)] += 1
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
    assert not failures, f"{len(failures)} of them:\n" + "\n".join(failures[:20])
    assert outcomes["refused"] > 500
    assert outcomes["loaded"] > 50
