"""Pictures from a results json."""

import json

import numpy as np
import pytest
from PIL import Image

from aligndetr.data import load_dataset
from aligndetr.errors import DataError
from aligndetr.runtime.drawing.palette import class_color
from aligndetr.visualization.json_results import draw_json_results


@pytest.fixture
def dataset(tmp_path):
    """Two images; category ids 40 and 7, so contiguous class 0 is id 7."""
    (tmp_path / "images").mkdir()
    images = []
    for image_id in (11, 12):
        name = f"photo_{image_id}.png"
        Image.new("RGB", (640, 480), (90, 90, 90)).save(tmp_path / "images" / name)
        images.append({"id": image_id, "file_name": name, "height": 480, "width": 640})
    truth = {"id": 1, "image_id": 11, "category_id": 7, "bbox": [20, 30, 30, 40]}
    categories = [{"id": 40, "name": "cat"}, {"id": 7, "name": "dog"}]
    content = {"images": images, "categories": categories, "annotations": [truth]}
    (tmp_path / "toy.json").write_text(json.dumps(content))
    return load_dataset("toy", tmp_path / "toy.json", tmp_path / "images")


def write(path, results):
    path.write_text(json.dumps(results))
    return path


def detection(image_id=11, category_id=40, score=0.9):
    box = [50, 60, 40, 35]
    return {"image_id": image_id, "category_id": category_id, "bbox": box, "score": score}


def test_categories_are_mapped_and_low_scores_left_out(dataset, tmp_path):
    results = [detection(), detection(12, 7, 0.4)]
    paths = draw_json_results(write(tmp_path / "r.json", results), dataset, tmp_path / "out")
    assert [path.name for path in paths] == ["photo_11.png", "photo_12.png"]
    pixels = np.asarray(Image.open(paths[0]))
    head = pixels.shape[0] - 480
    assert tuple(pixels[head + 50, 20]) == class_color(0)  # truth "dog" is class 0: ids ascend
    assert tuple(pixels[head + 75, 640 + 12 + 50]) == class_color(1)
    other = np.asarray(Image.open(paths[1]))
    assert not (other == class_color(0)).all(axis=-1).any()


def test_count_and_threshold(dataset, tmp_path):
    path = write(tmp_path / "r.json", [detection(11, 7, 0.4)])
    paths = draw_json_results(path, dataset, tmp_path / "out", threshold=0.3, count=1)
    assert len(paths) == 1
    pixels = np.asarray(Image.open(paths[0]))
    assert tuple(pixels[pixels.shape[0] - 480 + 75, 640 + 12 + 50]) == class_color(0)


@pytest.mark.parametrize(
    "content, message",
    [
        ("[{", "not valid JSON"),
        ('{"images": []}', "a list of detections is expected"),
        ('[{"image_id": 11}]', r"r\.json: results\[0\] lacks category_id, bbox, score"),
        (json.dumps([detection(11), detection([])]), r"results\[1\] has image_id \[\]; it must"),
        (1000 * "[" + 1000 * "]", "nests too deeply"),
        (json.dumps([detection(99)]), "image id 99"),
        (json.dumps([detection(11, 8)]), "category id 8"),
    ],
)
def test_wrong_files_are_named(dataset, tmp_path, content, message):
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(DataError, match=message):
        draw_json_results(tmp_path / "r.json", dataset, tmp_path / "out")
    with pytest.raises(DataError, match=r"missing\.json"):
        draw_json_results(tmp_path / "missing.json", dataset, tmp_path / "out")
