"""COCO numbers against pycocotools and by hand."""

import contextlib
import io
import json
import logging
import math

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from aligndetr.errors import DataError
from aligndetr.evaluation import COCOEvaluator
from aligndetr.files import sha256_of

SUMMARY = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]


def evaluate(dataset, outputs, **options):
    evaluator = COCOEvaluator(dataset, **options)
    for image_id, instances in outputs.items():
        evaluator.process([{"image_id": image_id}], [{"instances": instances}])
    return evaluator.evaluate()["bbox"]


def pycocotools_numbers(json_file, predictions, image_ids=None, categories=None, limit=100):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(json_file))
        evaluation = COCOeval(truth, truth.loadRes(predictions), "bbox")
        evaluation.params.imgIds = image_ids or evaluation.params.imgIds
        evaluation.params.catIds = categories or evaluation.params.catIds
        evaluation.params.maxDets = [1, 10, limit]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [100 * value if value >= 0 else math.nan for value in evaluation.stats]


def coco_format(dataset, outputs):
    """An independent conversion of Instances to COCO's results."""
    results = []
    for image_id, found in outputs.items():
        for (x0, y0, x1, y1), score, index in zip(
            found.pred_boxes.tensor.double().tolist(),
            found.scores.double().tolist(),
            found.pred_classes.tolist(),
            strict=True,
        ):
            results.append(
                {
                    "image_id": image_id,
                    "category_id": dataset.category_ids[index],
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "score": score,
                }
            )
    return results


def test_equals_pycocotools_on_everything_awkward(random_coco):
    assert any(a["iscrowd"] for a in random_coco.content["annotations"])
    assert len(random_coco.outputs[104]) > 100
    results = evaluate(random_coco.dataset, random_coco.outputs)
    predictions = coco_format(random_coco.dataset, random_coco.outputs)
    expected = pycocotools_numbers(random_coco.path, predictions)
    np.testing.assert_allclose([results[name] for name in SUMMARY], expected, rtol=1e-12)
    assert 5 < results["AP"] < 95  # neither trivial
    for name, category in zip("abcd", random_coco.dataset.category_ids, strict=True):
        expected = pycocotools_numbers(random_coco.path, predictions, categories=[category])[0]
        np.testing.assert_allclose(results[f"AP-{name}"], expected, rtol=1e-12)
    assert math.isnan(results["AP-d"])  # the class without objects


def test_only_the_images_of_the_dataset_count(random_coco, make_dataset):
    chosen = [100, 104, 107]
    dataset = make_dataset(random_coco.path, chosen, list("abcd"), [9, 2, 30, 5])
    outputs = {image_id: random_coco.outputs[image_id] for image_id in chosen}
    results = evaluate(dataset, outputs)
    expected = pycocotools_numbers(random_coco.path, coco_format(dataset, outputs), chosen)
    np.testing.assert_allclose([results[name] for name in SUMMARY], expected, rtol=1e-12)


def test_records_give_the_same_as_the_json(random_coco, make_dataset):
    """A dataset that joins several files has no json of its own."""
    records = [{"image_id": image_id, "annotations": []} for image_id in random_coco.outputs]
    of_image = {record["image_id"]: record["annotations"] for record in records}
    for annotation in random_coco.content["annotations"]:
        index = random_coco.dataset.category_ids.index(annotation["category_id"])
        of_image[annotation["image_id"]].append({**annotation, "category_id": index})
    dataset = make_dataset(None, list(of_image), list("abcd"), [9, 2, 30, 5], records)
    expected = evaluate(random_coco.dataset, random_coco.outputs)
    np.testing.assert_equal(evaluate(dataset, random_coco.outputs), expected)
    dataset.records.append(records[0])
    with pytest.raises(DataError, match="1 image ids appear more than once"):
        evaluate(dataset, random_coco.outputs)


def test_unseen_images_count_as_missed(random_coco, caplog):
    outputs = {image_id: random_coco.outputs[image_id] for image_id in (100, 104)}
    results = evaluate(random_coco.dataset, outputs)
    predictions = coco_format(random_coco.dataset, outputs)
    expected = pycocotools_numbers(random_coco.path, predictions)
    np.testing.assert_allclose([results[name] for name in SUMMARY], expected, rtol=1e-12)
    assert "10 images of the dataset were not seen" in caplog.text


def test_no_detections_at_all_is_zero(random_coco, make_instances):
    outputs = {image_id: make_instances([], [], []) for image_id in random_coco.outputs}
    results = evaluate(random_coco.dataset, outputs)
    assert [results[name] for name in SUMMARY] == [0.0] * 12
    assert results["AP-a"] == 0.0
    assert math.isnan(results["AP-d"])


def test_one_box_by_hand(tmp_path, make_dataset, make_instances):
    # Truth 0,0 40x50 = 2000 px2 (medium), prediction 0,0 40x40: IoU = 1600 / 2000 = 0.8, a hit at
    # the 7 thresholds 0.5 ... 0.8 of 10: AP = 70; AP50 = AP75 = 100; nothing small or large.
    content = {
        "images": [{"id": 7, "file_name": "7.png", "height": 100, "width": 100}],
        "annotations": [{"id": 0, "image_id": 7, "category_id": 18, "bbox": [0, 0, 40, 50]}],
        "categories": [{"id": 18, "name": "dog"}],
    }
    (tmp_path / "one.json").write_text(json.dumps(content))  # neither iscrowd nor area; id 0
    dataset = make_dataset(tmp_path / "one.json", [7], ["dog"], [18])
    results = evaluate(dataset, {7: make_instances([[0, 0, 40, 40]], [0.9], [0])})
    expected = [70, 100, 100, math.nan, 70, math.nan, 70, 70, 70, math.nan, 70, math.nan]
    np.testing.assert_allclose([results[name] for name in SUMMARY], expected, rtol=1e-12)
    np.testing.assert_allclose(results["AP-dog"], 70)


def test_crowd_absorbs_detections(tmp_path, make_dataset, make_instances):
    # Two detections lie in the crowd region, with better scores than the hit. Ignored: AP = 100.
    # Would the crowd not count, precision at the hit would be 1/3.
    content = {
        "images": [{"id": 1, "file_name": "1.png", "height": 100, "width": 100}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 20, 20]},
            {"id": 2, "image_id": 1, "category_id": 1, "bbox": [40, 40, 60, 60], "iscrowd": 1},
        ],
        "categories": [{"id": 1, "name": "person"}],
    }
    (tmp_path / "crowd.json").write_text(json.dumps(content))
    dataset = make_dataset(tmp_path / "crowd.json", [1], ["person"], [1])
    boxes = [[0, 0, 20, 20], [45, 45, 60, 60], [70, 70, 90, 95]]
    results = evaluate(dataset, {1: make_instances(boxes, [0.5, 0.9, 0.8], [0, 0, 0])})
    np.testing.assert_allclose(results["AP"], 100)


def test_file_has_original_ids_and_evaluates_to_the_same(random_coco, tmp_path):
    results = evaluate(random_coco.dataset, random_coco.outputs, output_dir=tmp_path / "out")
    path = tmp_path / "out" / "coco_instances_results.json"
    predictions = json.loads(path.read_text())
    record = json.loads(path.with_name("coco_instances_results.data.json").read_text())
    assert (record["name"], record["count"], record["split"]) == ("toy", 12, None)
    assert record["predictions"] == sha256_of(path)
    assert len(predictions) == sum(len(found) for found in random_coco.outputs.values())
    assert {p["category_id"] for p in predictions} == {9, 2, 30, 5}
    expected = pycocotools_numbers(random_coco.path, predictions)
    np.testing.assert_allclose([results[name] for name in SUMMARY], expected, rtol=1e-12)


def test_max_dets_changes_the_limit(random_coco):
    """pycocotools' own summary of AP stays at 100, but AP50 and recall follow the limit."""
    results = evaluate(random_coco.dataset, random_coco.outputs, max_dets=11)
    predictions = coco_format(random_coco.dataset, random_coco.outputs)
    expected = pycocotools_numbers(random_coco.path, predictions, limit=11)
    names = ["AP50", "AP75", "APm", "AR11", "ARl"]
    positions = [1, 2, 4, 8, 11]
    numbers = [expected[position] for position in positions]
    np.testing.assert_allclose([results[name] for name in names], numbers, rtol=1e-12)
    assert results["AR11"] < evaluate(random_coco.dataset, random_coco.outputs)["AR100"]
    with pytest.raises(ValueError, match="above 10"):
        COCOEvaluator(random_coco.dataset, max_dets=10)


def test_an_image_seen_twice_counts_once(random_coco):
    once = evaluate(random_coco.dataset, random_coco.outputs)
    evaluator = COCOEvaluator(random_coco.dataset)
    for image_id, instances in [*random_coco.outputs.items(), *random_coco.outputs.items()]:
        evaluator.process([{"image_id": image_id}], [{"instances": instances}])
    np.testing.assert_equal(evaluator.evaluate()["bbox"], once)


def test_reset_forgets(random_coco):
    evaluator = COCOEvaluator(random_coco.dataset)
    evaluator.process([{"image_id": 100}], [{"instances": random_coco.outputs[100]}])
    evaluator.reset()
    assert evaluator.evaluate()["bbox"]["AR100"] == 0.0


def test_unknown_image_is_named(random_coco):
    evaluator = COCOEvaluator(random_coco.dataset)
    with pytest.raises(DataError, match=r"image id 99, which the dataset 'toy' does not have"):
        evaluator.process([{"image_id": 99}], [{"instances": random_coco.outputs[100]}])


def test_class_outside_the_dataset_is_named(random_coco, make_instances):
    with pytest.raises(DataError, match="class 4 predicted, but the dataset has 4 classes"):
        evaluate(random_coco.dataset, {100: make_instances([[0, 0, 1, 1]], [0.5], [4])})


def test_missing_and_broken_json_are_named(random_coco, tmp_path):
    random_coco.path.write_text("{")
    with pytest.raises(DataError, match=r"toy\.json"):
        evaluate(random_coco.dataset, random_coco.outputs)
    random_coco.path.unlink()
    with pytest.raises(DataError, match=r"toy\.json"):
        evaluate(random_coco.dataset, random_coco.outputs)


def test_detections_that_are_not_finite_are_left_out(random_coco, make_instances, caplog):
    clean = evaluate(random_coco.dataset, random_coco.outputs)
    found = random_coco.outputs[100]
    boxes = [*found.pred_boxes.tensor.tolist(), [0, 0, math.nan, 1], [0, 0, 5, 5]]
    scores = [*found.scores.tolist(), 0.5, math.inf]
    dirty = make_instances(boxes, scores, [*found.pred_classes.tolist(), 0, 0])
    results = evaluate(random_coco.dataset, {**random_coco.outputs, 100: dirty})
    np.testing.assert_equal(results, clean)
    assert f"image 100: 2 of {len(boxes)} detections are not finite" in caplog.text


def test_log_has_copypaste_and_a_table_of_80_columns(random_coco, caplog):
    with caplog.at_level(logging.INFO, logger="aligndetr"):
        results = evaluate(random_coco.dataset, random_coco.outputs)
    lines = caplog.text.splitlines()
    numbers = next(line for line in lines if "copypaste: AP," in line)
    assert numbers.endswith("copypaste: AP,AP50,AP75,APs,APm,APl,AR1,AR10,AR100,ARs,ARm,ARl")
    assert any(line.endswith("copypaste: Task: bbox") for line in lines)
    assert any(f"copypaste: {results['AP']:.4f}," in line for line in lines)
    table = next(r.getMessage() for r in caplog.records if "AP by class" in r.getMessage())
    assert max(len(line) for line in table.splitlines()) <= 80
    assert all(f"{results[f'AP-{name}']:.1f}" in table for name in "abc")
