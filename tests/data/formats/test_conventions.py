import json

import numpy as np
import pytest

from aligndetr.data.dataset import load_dataset
from aligndetr.data.formats import Source, read
from aligndetr.errors import DataError

SIZE = (300, 400)  # height, width
PIXELS = np.random.default_rng(0).uniform([0, 0, 20, 20], [300, 200, 100, 100], (30, 4))


def remarks(coco_folder, boxes):
    annotations = [{"image_id": 1, "category_id": 1, "bbox": list(box)} for box in boxes]
    path, folder = coco_folder([(1, SIZE)], annotations)
    return read(Source(path, folder)).remarks


def test_pixels_are_not_remarked_on(coco_folder):
    assert remarks(coco_folder, PIXELS) == {}


def test_fractions_are_refused(coco_folder):
    with pytest.raises(DataError, match="look like fractions"):
        remarks(coco_folder, PIXELS / [400, 300, 400, 300])


def test_a_few_fractions_among_pixels_are_listed(coco_folder):
    boxes = PIXELS.copy()
    boxes[7] /= [400, 300, 400, 300]
    ((words, examples),) = remarks(coco_folder, boxes).items()
    assert "fractions of the image, not pixels?" in words
    assert len(examples) == 1


def test_percent_is_recognised(coco_folder):
    boxes = 100 * PIXELS / [400, 300, 400, 300]
    boxes[0] = [50, 50, 50, 50]  # to the very edge
    ((words, examples),) = remarks(coco_folder, boxes).items()
    assert "percent" in words
    assert len(examples) == 30


def test_corners_are_recognised(coco_folder):
    boxes = PIXELS.copy()
    boxes[:, 2:] += boxes[:, :2]
    ((words, _),) = remarks(coco_folder, boxes).items()
    assert "only as corners" in words


def test_remarks_are_logged(coco_folder, caplog):
    boxes = PIXELS.copy()
    boxes[7] /= [400, 300, 400, 300]
    annotations = [{"image_id": 1, "category_id": 1, "bbox": list(box)} for box in boxes]
    path, folder = coco_folder([(1, SIZE)], annotations)
    load_dataset(None, path, folder)
    assert "1 boxes lie within the first pixel" in caplog.text


def test_boxes_of_unknown_images_do_no_harm(coco_folder):
    path, folder = coco_folder(
        [(1, SIZE)], [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}]
    )
    content = json.loads(path.read_text())
    content["annotations"].append({"image_id": 9, "category_id": 1, "bbox": [0, 0, 1, 1]})
    path.write_text(json.dumps(content))
    assert read(Source(path, folder)).remarks == {}
