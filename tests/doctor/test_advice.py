import re

import numpy as np
import pytest

from aligndetr.config import LazyConfig, instantiate, resolve_config
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
    assert "(8 pixels): 50% of them; dataloader.image_size=224 " in finding.title  # above 200
    assert finding.title.endswith("(in a config without it: all lengths of the resizes times 2)")
    assert finding.examples == ["a.png: [0, 0, 4, 4], 4.0 pixels to the model"] * 10
    larger = Report("a")
    check_scale(data, View([ResizeShortestEdge(200, 1000)], 8), larger)
    assert larger.findings == []
    assert "median 64 pixels, 5 % below 8" in dict(larger.facts)["to the model"]  # (8 + 120) / 2


@pytest.mark.parametrize(
    ("edge", "small", "large", "seen"),
    [
        (50, (12, 12), (20, 20), "6.0"),  # halved: 12 are 6 and 20 are 10
        (200, (3, 3), (5, 5), "6.0"),  # doubled: 3 are 6 and 5 are 10
    ],
)
def test_objects_are_listed_by_what_the_model_sees(edge, small, large, seen):
    report = Report("a")
    view = View([ResizeShortestEdge(edge, 1000)], 8)
    check_scale(content([large] * 9 + [small] * 3), view, report)
    (finding,) = report.findings
    assert "(8 pixels): 25% of them" in finding.title
    line = f"a.png: [0, 0, {small[0]}, {small[1]}], {seen} pixels to the model"
    assert finding.examples == [line] * 3


@pytest.mark.parametrize(
    "name",
    [
        "aligndetr_tiny",
        "detr_tiny",
        "rtdetr_tiny",
        "aligndetr_r18_small",
        "rtdetr_r18_small",
        "rtdetr_r50_6x",
        "aligndetr_k2_r50_4scale_12ep",
    ],
)
def test_the_override_enlarges_what_a_config_sees(name):
    config = LazyConfig.load(resolve_config(name))
    steps = config.dataloader.test.mapper.augmentation
    data = content([(side, 40) for side in range(3, 13)] * 10, size=(480, 640))
    report = Report("a")
    check_scale(data, View(instantiate(steps), 16), report)
    (finding,) = report.findings
    (override,) = re.findall(r"dataloader\.image_size=\d+", finding.title)
    config = LazyConfig.apply_overrides(config, [override])
    after = View(instantiate(config.dataloader.test.mapper.augmentation), 16).sides(data)
    assert np.quantile(after, 0.05) >= 16 * 0.999  # edges are whole pixels
    assert np.quantile(after, 0.05) < 16 * 1.1  # nor larger than is needed


def test_images_of_different_sizes_that_no_config_resizes():
    data = content([(4, 4)] * 20, size=(100, 200))
    data["images"].append({"id": 2, "file_name": "b.png", "height": 800, "width": 400})
    data["annotations"] += [{"image_id": 2, "category_id": 0, "bbox": [0, 0, 8, 8]}] * 20
    report = Report("a")
    check_scale(data, View([ResizeShortestEdge(None)], 8), report)
    # 4 of 100 pixels and 8 of 400: 2 % of an edge are 8 pixels where it has 400; 416 = 13 * 32
    assert "dataloader.image_size=416 " in report.findings[0].title
    assert len(report.findings[0].examples) == 20  # those of 8 pixels are as wide as a cell


@pytest.mark.parametrize(
    ("steps", "side"),
    [([], 4), ([ResizeShortestEdge(100, 1000)], 0.1)],  # 8000 pixels would be needed
)
def test_where_no_size_helps_larger_resizes_or_tiles_do(steps, side):
    report = Report("a")
    check_scale(content([(side, side)] * 20), View(steps, 8), report)
    assert "image_size" not in report.findings[0].title
    assert f"in images {8 / side:g} times larger" in report.findings[0].title
    assert "cut images into tiles" in report.findings[0].title


def test_what_a_resize_leaves_nothing_of_has_advice_as_well():
    data = content([(1, 1)] * 20, size=(1, 4000))  # 1000 / 4000 of a pixel is rounded to 0
    report = Report("a")
    check_scale(data, View([ResizeShortestEdge(100, 1000)], 8), report)
    assert "100% of them" in report.findings[0].title


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
