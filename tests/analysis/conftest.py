"""A made-up dataset with everything that is awkward, and detections for it."""

import numpy as np
import pytest


def object_at(image_id, category_id, box, iscrowd=0):
    x0, y0, x1, y1 = map(float, box)
    sides = [x0, y0, x1 - x0, y1 - y0]
    return {
        "image_id": image_id,
        "category_id": category_id,
        "bbox": sides,
        "area": sides[2] * sides[3],
        "iscrowd": iscrowd,
    }


def detection_at(image_id, category_id, box, score):
    entry = object_at(image_id, category_id, box)
    return {key: entry[key] for key in ("image_id", "category_id", "bbox")} | {"score": score}


def truth_of(objects, image_ids, categories):
    return {
        "images": [{"id": image_id} for image_id in image_ids],
        "annotations": [{**entry, "id": i} for i, entry in enumerate(objects, start=1)],
        "categories": [{"id": i, "name": name} for i, name in categories.items()],
    }


@pytest.fixture
def make_object():
    return object_at


@pytest.fixture
def make_detection():
    return detection_at


@pytest.fixture
def make_truth():
    return truth_of


@pytest.fixture(params=[0, 1])
def problem(request):
    """20 images, classes of ids 9, 2, 30 (5 has no objects), crowds, equal scores."""
    rng = np.random.default_rng(request.param)
    ids = [9, 2, 30]
    objects, detections = [], []
    for image_id in range(100, 120):
        for _ in range(0 if image_id == 103 else int(rng.integers(1, 12))):
            corner, size = rng.uniform(0, 150, 2), rng.uniform(10, 60, 2)
            label, box = ids[rng.integers(3)], np.concatenate([corner, corner + size])
            objects.append(object_at(image_id, label, box, int(rng.random() < 0.12)))
            for _ in range(int(rng.integers(0, 4))):
                kind = label if rng.random() < 0.8 else ids[rng.integers(3)]
                near = box + rng.normal(0, 5, 4)
                detections.append(detection_at(image_id, kind, near, round(rng.uniform(), 2)))
        for _ in range(int(rng.integers(0, 15)) + 130 * (image_id == 107)):
            corner, size = rng.uniform(0, 150, 2), rng.uniform(10, 60, 2)
            box, label = np.concatenate([corner, corner + size]), [*ids, 5][rng.integers(4)]
            label = 9 if image_id == 107 else label  # more than 100 of one class
            detections.append(detection_at(image_id, label, box, round(rng.uniform(0, 0.7), 2)))
    categories = {9: "a", 2: "b", 30: "c", 5: "d"}
    return truth_of(objects, range(100, 120), categories), detections
