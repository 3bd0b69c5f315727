import re

import numpy as np
import pytest

from aligndetr.config import LazyConfig, resolve_config
from aligndetr.data.augmentation import Resize, ResizeShortestEdge
from aligndetr.doctor.advice import View, check_balance, check_scale
from aligndetr.doctor.findings import Report


def content(boxes, size=(100, 200), classes=None):
    classes = classes or [0] * len(boxes)
    return {
        "images": [{"id": 1, "file_name": "a.png", "height": size[0], "width": size[1]}],
        "annotations": [
            {"image_id": 1, "category_id": k, "bbox": [0, 0, *box]}
            for box, k in zip(boxes, classes, strict=True)
        ],
        "categories": [{"id": 0, "name": "ant"}, {"id": 1, "name": "bee"}],
    }


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], [10, 20]),
        ([ResizeShortestEdge(50, 1000)], [5, 10]),  # 200 x 100 becomes 100 x 50
        ([Resize(100)], [10, 10]),  # 200 x 100 becomes 100 x 100: 20 x 40 is 10 x 40
        ([Resize(100), ResizeShortestEdge(50, 1000)], [5, 5]),
    ],
)
def test_sides_are_those_that_the_model_sees(steps, expected):
    sides = View(steps, 8).sides(content([(30, 10), (20, 40)]))
    np.testing.assert_allclose(sides, expected)


def test_crowds_and_boxes_without_size_have_no_sides():
    data = content([(30, 10), (0, 40), (5, 5)])
    data["annotations"][2]["iscrowd"] = 1
    assert View([], 8).sides(data).tolist() == [10]


def test_objects_below_a_cell_are_warned_of_with_the_override():
    data = content([(4, 4)] * 10 + [(60, 60)] * 10)
    report = Report("a")
    check_scale(data, View([ResizeShortestEdge(100, 1000)], 8), report)
    (finding,) = report.findings
    assert "(8 pixels): 50% of them; images 2.0 times larger" in finding.title
    assert "dataloader.test.mapper.augmentation.0.short_edge_length=200" in finding.title
    assert len(finding.examples) == 10
    larger = Report("a")
    check_scale(data, View([ResizeShortestEdge(200, 1000)], 8), larger)
    assert larger.findings == []
    assert "median 64 pixels, 5 % below 8" in dict(larger.facts)["to the model"]  # (8 + 120) / 2


@pytest.mark.parametrize(("bees", "is_rare"), [(1, True), (19, True), (20, False)])
def test_rare_classes(bees, is_rare):
    report = Report("a")
    check_balance(content([(9, 9)] * (100 + bees), classes=[0] * 100 + [1] * bees), report)
    expected = [f"bee: {bees} boxes, the commonest class has 100"] if is_rare else []
    assert [line for finding in report.findings for line in finding.examples] == expected


def test_one_box_in_fifty_is_rare():
    report = Report("a")
    check_balance(content([(9, 9)] * 2049, classes=[0] * 2010 + [1] * 39), report)
    assert len(report.findings) == 1  # 39 < 0.02 * 2010 = 40.2


def test_rare_classes_come_with_the_override_to_type():
    data = content([])
    data["images"] = [{**data["images"][0], "id": number} for number in range(10)]
    data["categories"].append({"id": 2, "name": "wasp"})
    for kind, images in ((0, [*range(10)] * 3), (1, [4]), (2, [*range(6)] * 5)):
        data["annotations"] += [
            {"image_id": image, "category_id": kind, "bbox": [0, 0, 9, 9]} for image in images
        ]
    report = Report("a")
    check_balance(data, report)
    (finding,) = report.findings  # bees: 1 of 30; classes are in 10, 1 and 6 of 10 images
    assert finding.examples == ["bee: 1 boxes, the commonest class has 30"]
    (override,) = re.findall(r"'(\+.*)'", finding.title)
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    config = LazyConfig.apply_overrides(config, [override])
    assert config.dataloader.train.balancing.threshold == 0.6


def test_classes_that_are_in_every_image_are_not_repeated():
    data = content([(9, 9)] * 200, classes=[0] * 199 + [1])
    report = Report("a")
    check_balance(data, report)
    assert "balancing" not in report.findings[0].title
