"""The images that a walk feeds."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from aligndetr.config import LazyCall as L
from aligndetr.data.dataset import load_dataset
from aligndetr.explanation import walk_example_images as example_images


@pytest.fixture
def record(tmp_path):
    def make(height, width, count):
        path = tmp_path / f"{height}x{width}.png"
        Image.new("RGB", (width, height), (10, 20, 30)).save(path)
        annotations = [
            {"bbox": [10, 20, 30, 40], "category_id": index, "iscrowd": 0} for index in range(count)
        ]
        return {"file_name": str(path), "annotations": annotations}

    return make


def test_images_shrink_and_boxes_with_them(record):
    first, second = example_images.batch([record(100, 200, 2), record(100, 200, 1)], 50, 80)
    assert first["image"].shape == (3, 25, 50)
    assert second["image"].shape == (3, 20, 40)  # a fifth smaller
    assert (first["height"], first["width"]) == (100, 200)
    # (10, 20) + (30, 40) -> corners 10, 20, 40, 60, a quarter of that
    expected = torch.tensor([[2.5, 5.0, 10.0, 15.0]]).expand(2, 4)
    torch.testing.assert_close(first["instances"].gt_boxes.tensor, expected)
    assert first["instances"].gt_classes.tolist() == [0, 1]


def test_colours_come_in_the_models_order_and_classes_fit(record):
    [item] = example_images.batch([record(64, 64, 5)], 64, 3, image_format="BGR")
    assert item["image"][:, 0, 0].tolist() == [30, 20, 10]
    assert item["instances"].gt_classes.tolist() == [0, 1, 2, 0, 1]


def test_object_counts_differ_from_each_other_and_from_the_classes(record):
    records = [record(9, 9, count) for count in (6, 5, 5, 7, 8)]
    assert [len(r["annotations"]) for r in example_images.choose(records, 2, 6)] == [5, 8]
    assert len(example_images.choose(records[:1], 2, 80)) == 2  # too few to choose from


def test_records_of_the_demo_set_are_those_that_it_would_write(tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path / "sets"))
    drawn, num_classes = example_images.records_of_dataset(
        L(load_dataset)(names="shapes_mini_val"), tmp_path / "drawn"
    )
    assert not (tmp_path / "sets").exists()
    written = {record["image_id"]: record for record in load_dataset("shapes_mini_val")}
    for each in drawn[:3]:
        record = written[each["image_id"]]
        pixels = [np.asarray(Image.open(r["file_name"])) for r in (record, each)]
        assert np.array_equal(*pixels)
        assert record["annotations"] == each["annotations"]
    assert num_classes == 6


@pytest.fixture
def own_dataset(tmp_path):
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "one.png")
    boxes = [
        {"id": i, "image_id": 1, "category_id": 7, "bbox": [i, i, 9, 9], "area": 81, "iscrowd": 0}
        for i in range(1, 6)
    ]
    content = {
        "images": [{"id": 1, "file_name": "one.png", "height": 40, "width": 60}],
        "annotations": boxes,
        "categories": [{"id": 7, "name": "thing"}],
    }
    (tmp_path / "own.json").write_text(json.dumps(content))
    return L(load_dataset)(
        names="own", json_file=str(tmp_path / "own.json"), image_root=str(tmp_path)
    )


def test_records_of_a_dataset_of_ones_own(own_dataset, tmp_path):
    [found], num_classes = example_images.records_of_dataset(own_dataset, tmp_path / "drawn")
    assert found["file_name"].endswith("one.png")
    assert [a["category_id"] for a in found["annotations"]] == [0] * 5
    assert num_classes == 1


@pytest.mark.parametrize("names", ["coco_2017_val", None])
def test_without_a_dataset_images_are_drawn(tmp_path, monkeypatch, names):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    node = None if names is None else L(load_dataset)(names=names)
    found, num_classes = example_images.records_of_dataset(node, tmp_path / "drawn")
    assert all(each["file_name"].startswith(str(tmp_path / "drawn")) for each in found)
    assert num_classes == 6  # kinds of shapes
    assert all(len(each["annotations"]) >= 5 for each in found)


@pytest.mark.parametrize(
    "num_queries, strides, expected",
    [
        (900, [8, 16, 32], 272),  # 1 / 64 + 1 / 256 + 1 / 1024: 1518 tokens in 272 x 272
        (1400, [8, 16, 32], 336),  # 272 pixels have too few if one side is shorter
        (100, [32], 464),  # 14.5 x 14.5 cells; 8.5 x 8.5 are 72
        (0, [8], 272),
        (10**6, [8], 464),  # the largest there is
        (40, [], 272),  # a model that does not say
    ],
)
def test_images_have_more_tokens_than_there_are_queries(num_queries, strides, expected):
    assert example_images.size_for(num_queries, strides) == expected
