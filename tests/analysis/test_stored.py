"""Files of predictions: what is found, and what is refused with which words."""

import json

import pytest

from aligndetr.analysis.stored import find_predictions, read_predictions
from aligndetr.errors import DataError


@pytest.fixture
def truth(make_truth, make_object):
    return make_truth([make_object(1, 7, [0, 0, 5, 5])], [1, 2], {7: "a"})


GOOD = {"image_id": 1, "category_id": 7, "bbox": [0, 0, 1, 1], "score": 0.5}


def written(path, content):
    path.write_text(json.dumps(content))
    return path


def test_lists_and_dicts_are_read(tmp_path, truth):
    path = written(tmp_path / "p.json", [GOOD])
    assert read_predictions(path, truth) == [GOOD]
    path = written(tmp_path / "q.json", {"images": [], "annotations": [GOOD]})
    assert read_predictions(path, truth) == [GOOD]


def test_the_folder_of_a_run_is_searched(tmp_path):
    with pytest.raises(DataError, match=r"has no coco_instances_results\.json: was it evaluated"):
        find_predictions(tmp_path)
    (tmp_path / "inference").mkdir()
    theirs = written(tmp_path / "inference" / "coco_instances_results.json", [])
    assert find_predictions(tmp_path) == theirs
    ours = written(tmp_path / "coco_instances_results.json", [])
    assert find_predictions(tmp_path) == ours
    assert find_predictions(theirs) == theirs


@pytest.mark.parametrize(
    "change, words",
    [
        ({"score": None}, "detection 1 has the score None, not a number from 0 to 1"),
        ({"score": 1.5}, "score 1.5"),
        ({"score": float("nan")}, "score nan"),
        ({"bbox": [0, 0, 1]}, r"detection 1 has the box \[0, 0, 1\], not four finite numbers"),
        ({"bbox": [0, 0, 1, float("inf")]}, "not four finite numbers"),
        ({"image_id": "1"}, "the image_id 1, not a whole number"),
        ({"image_id": 44}, "another dataset: 1 of its images are not in .* image_id 44"),
        ({"category_id": 3}, "another dataset: 1 of its categories .* category_id 3"),
    ],
)
def test_wrong_entries_are_named(tmp_path, truth, change, words):
    path = written(tmp_path / "p.json", [GOOD, GOOD | change])
    with pytest.raises(DataError, match=words):
        read_predictions(path, truth)


def test_results_without_scores_are_refused(tmp_path, truth):
    unscored = {key: value for key, value in GOOD.items() if key != "score"}
    with pytest.raises(DataError, match="detection 0 has no score"):
        read_predictions(written(tmp_path / "p.json", [unscored]), truth)
    with pytest.raises(DataError, match="detection 0 is a int"):
        read_predictions(written(tmp_path / "p.json", [3]), truth)
    with pytest.raises(DataError, match="holds no list of detections"):
        read_predictions(written(tmp_path / "p.json", {"model": 1}), truth)
