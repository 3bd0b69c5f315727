import json

import numpy as np
import pytest
from PIL import Image

from aligndetr.data.dataset import load_dataset
from aligndetr.errors import DataError
from aligndetr.evaluation import COCOEvaluator
from aligndetr.evaluation.lvis import LVISEvaluator

TARGET = [10.0, 10.0, 50.0, 50.0]
STRAY = [60.0, 60.0, 90.0, 90.0]


@pytest.fixture
def lvis(tmp_path):
    """Two images of 100 x 100; cat is rare, dog common, cow frequent; one cat and one dog each."""
    images = [
        # cow is looked for and absent in image 1; more dogs may be in image 2
        {"id": 1, "neg_category_ids": [9], "not_exhaustive_category_ids": []},
        {"id": 2, "neg_category_ids": [], "not_exhaustive_category_ids": [5]},
    ]
    (tmp_path / "val2017").mkdir()
    for image in images:
        image |= {"height": 100, "width": 100, "coco_url": f"http://x/val2017/{image['id']}.png"}
        Image.new("RGB", (100, 100)).save(tmp_path / "val2017" / f"{image['id']}.png")
    annotations = [
        {"id": n, "image_id": i, "category_id": c, "bbox": [10, 10, 40, 40], "area": 1600}
        for n, (i, c) in enumerate([(1, 3), (1, 5), (2, 3), (2, 5)], start=1)
    ]
    categories = [
        {"id": 3, "name": "cat", "frequency": "r"},
        {"id": 5, "name": "dog", "frequency": "c"},
        {"id": 9, "name": "cow", "frequency": "f"},
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "lvis_v1_val.json").write_text(json.dumps(content))
    return load_dataset(None, path=tmp_path / "lvis_v1_val.json")


PERFECT = [(1, TARGET, 0.9, 0), (1, TARGET, 0.9, 1), (2, TARGET, 0.8, 0), (2, TARGET, 0.8, 1)]


@pytest.fixture
def numbers(lvis, make_instances):
    def evaluate(found, **options):
        evaluator = LVISEvaluator(lvis, **options)
        for image_id in (1, 2):
            own = [row[1:] for row in found if row[0] == image_id]
            boxes, scores, classes = zip(*own, strict=True)
            instances = make_instances(np.array(boxes), scores, classes)
            evaluator.process([{"image_id": image_id}], [{"instances": instances}])
        return evaluator.evaluate()["bbox"]

    return evaluate


def test_names_come_from_the_addresses_of_images(lvis):
    assert [record["file_name"].split("/")[-2:] for record in lvis] == [
        ["val2017", "1.png"],
        ["val2017", "2.png"],
    ]


def test_perfect_detections(numbers):
    result = numbers(PERFECT)
    assert (result["AP"], result["APr"], result["APc"]) == pytest.approx((100, 100, 100))
    assert np.isnan(result["APf"])  # no cow anywhere


def test_what_was_not_looked_for_does_not_count(numbers):
    # in image 2 nobody looked for cows, and dogs are not exhaustive
    assert numbers([*PERFECT, (2, STRAY, 0.99, 2), (2, STRAY, 0.99, 1)])["AP"] == pytest.approx(100)
    # image 1 was looked through for dogs: precision is 0, 1/2, 2/3 at recall 0, 1/2, 1, and the
    # interpolated precision 2/3 everywhere
    result = numbers([*PERFECT, (1, STRAY, 0.99, 1)])
    assert result["APc"] == pytest.approx(100 * 2 / 3, abs=0.01)
    assert result["APr"] == pytest.approx(100)


def test_the_limit_is_for_all_classes_together(numbers):
    # 11 detections a image: of image 1 the ten best cows push out cat and dog
    crowd = [(1, STRAY, 0.95, 2)] * 11
    assert numbers([*PERFECT, *crowd], max_dets=11)["AP"] == pytest.approx(50.5, abs=0.1)


def test_coco_metrics_are_refused_by_a_sentence(lvis, coco_folder):
    with pytest.raises(DataError, match="LVISEvaluator"):
        COCOEvaluator(lvis).compare([])
    plain = load_dataset("plain", *coco_folder([(1, (9, 9))], []))
    with pytest.raises(DataError, match="take COCOEvaluator"):
        LVISEvaluator(plain).compare([])


def test_files_are_read_once_for_all_evaluations(lvis, monkeypatch):
    evaluator = LVISEvaluator(lvis)
    first = evaluator.compare([])
    monkeypatch.setattr("aligndetr.evaluation.ground_truth.read", None)
    assert evaluator.compare([])["AP"] == first["AP"] == 0
