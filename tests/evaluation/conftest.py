"""A COCO json with everything that is awkward, and detections for it."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from aligndetr.data.formats import Source
from aligndetr.structures import Boxes, Instances


class ToyDataset:
    """What evaluators read of a `DetectionDataset`."""

    def __init__(self, json_file, image_ids, class_names, category_ids, records=None):
        self.name = "toy"
        self.source = json_file and Source(Path(json_file), Path())
        self.image_ids = image_ids
        self.class_names = class_names
        self.category_ids = category_ids
        self.records = records or [{"image_id": image_id} for image_id in image_ids]

    def __len__(self):
        return len(self.records)

    def __getitem__(self, index):
        return self.records[index]


def detections_of(boxes, scores, classes, size=(100, 100)):
    return Instances(
        size,
        pred_boxes=Boxes(torch.as_tensor(boxes, dtype=torch.float32).reshape(-1, 4)),
        scores=torch.as_tensor(scores, dtype=torch.float32),
        pred_classes=torch.as_tensor(classes, dtype=torch.int64),
    )


@pytest.fixture
def make_instances():
    return detections_of


@pytest.fixture
def make_dataset():
    return ToyDataset


@pytest.fixture
def random_coco(tmp_path):
    """12 images, classes with ids 9, 2, 30, 5 (5 has no objects), crowds, empty images."""
    rng = np.random.default_rng(3)
    image_ids, category_ids = list(range(100, 112)), [9, 2, 30, 5]
    annotations, outputs = [], {}
    for image_id in image_ids:
        objects = 0 if image_id in (103, 111) else int(rng.integers(1, 9))
        corners = rng.uniform(0, 200, (objects, 2))
        sizes = rng.choice([10, 60, 150], (objects, 1)) * rng.uniform(0.6, 1.4, (objects, 2))
        classes = rng.integers(0, 3, objects)
        for corner, size, index in zip(corners, sizes, classes, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": category_ids[index],
                    "bbox": [*corner.tolist(), *size.tolist()],
                    "area": float(size.prod() * 0.8),  # a mask's area is below its box's
                    "iscrowd": int(rng.random() < 0.15),
                }
            )
        # noisy copies of the objects and noise: 130 detections of one class in image 104
        copies = rng.integers(0, objects, 3 * objects) if objects else np.zeros(0, int)
        noise = 140 if image_id == 104 else int(rng.integers(0, 20))
        near = np.concatenate([corners[copies], corners[copies] + sizes[copies]], 1)
        near = near + rng.normal(0, 4, near.shape)
        far = rng.uniform(0, 300, (noise, 2))
        far = np.concatenate([far, far + rng.uniform(5, 90, far.shape)], 1)
        noise_classes = np.zeros(noise, int) if image_id == 104 else rng.integers(0, 4, noise)
        if image_id != 105:  # a whole image without detections
            outputs[image_id] = detections_of(
                np.concatenate([near, far]),
                rng.uniform(0, 1, len(near) + noise).round(2),  # rounding makes ties
                np.concatenate([classes[copies], noise_classes]),
            )
        else:
            outputs[image_id] = detections_of([], [], [])
    content = {
        "images": [
            {"id": i, "file_name": f"{i}.png", "height": 300, "width": 300} for i in image_ids
        ],
        "annotations": annotations,
        "categories": [{"id": i, "name": n} for i, n in zip(category_ids, "abcd", strict=True)],
    }
    path = tmp_path / "toy.json"
    path.write_text(json.dumps(content))
    dataset = ToyDataset(path, image_ids, list("abcd"), category_ids)
    return SimpleNamespace(dataset=dataset, outputs=outputs, path=path, content=content)
