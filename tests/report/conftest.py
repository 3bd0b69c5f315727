"""The folder of a run, written by hand: ten images, two classes, every kind of mistake."""

import json
import re
from functools import partial

import numpy as np
import pytest
from PIL import Image

from aligndetr.evaluation.coco import coco_metrics

SIZE = (80, 60)
CONFIG = """
dataloader:
  test:
    dataset:
      _target_: aligndetr.data.load_dataset
      names: null
      json_file: {folder}/truth.json
      image_root: {folder}/images
model: {{_target_: aligndetr.modeling.Detector}}
train: {{seed: 3, max_iter: 40, output_dir: out}}
"""


def write_data(folder, count=10):
    """Images with one object of class 7 ("cat") and one of class 9 ("dog < 3") each."""
    (folder / "images").mkdir(parents=True)
    images, objects = [], []
    for index in range(count):
        pixels = np.random.default_rng(index).integers(0, 256, (SIZE[1], SIZE[0], 3))
        name = f"{index}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / name)
        images.append({"id": index, "file_name": name, "width": SIZE[0], "height": SIZE[1]})
        for category, x in ((7, 5), (9, 45)):
            box = [x, 10, 20, 20]
            number = len(objects) + 1
            objects.append(
                {"id": number, "image_id": index, "category_id": category, "bbox": box,
                 "area": 400, "iscrowd": 0}
            )  # fmt: skip
    categories = [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog < 3"}]
    truth = {"images": images, "annotations": objects, "categories": categories}
    (folder / "truth.json").write_text(json.dumps(truth))
    return truth


def write_predictions(path, truth, shift=1):
    """Right ones with falling scores, and mistakes of all kinds in the first images."""
    found = [
        {"image_id": o["image_id"], "category_id": o["category_id"], "score": 0.9 - 0.03 * i,
         "bbox": [o["bbox"][0] + shift, *o["bbox"][1:]]}
        for i, o in enumerate(truth["annotations"][4:])
    ]  # fmt: skip
    mistakes = [
        (0, 9, [5, 10, 20, 20], 0.85),  # class
        (0, 9, [45, 10, 20, 8], 0.8),  # place
        (2, 7, [5, 10, 20, 19], 0.1),  # duplicate
        (3, 7, [30, 45, 10, 10], 0.7),  # background
    ]
    names = ("image_id", "category_id", "bbox", "score")
    found += [dict(zip(names, each, strict=True)) for each in mistakes]
    path.write_text(json.dumps(found))
    return found


def write_metrics(path, last=40, precision=50.0):
    lines = [
        {"iteration": i, "total_loss": 9 - i / 10, "loss_class": 4 - i / 20, "loss_class_0": 1.0,
         "loss_bbox": 4 - i / 20, "lr": 1e-4, "grad_norm": 2.5, "time": 0.25,
         "images_per_second": 8.0, "max_cpu_memory_gb": 1.5}
        | ({"bbox/AP": precision, "bbox/AP-cat": 60.0} if i % 20 == 19 else {})
        for i in range(9, last, 10)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def make_run(root, name="run", data="data", shift=1, seed=3, extra=""):
    """Write a run and its data, and return the run's folder."""
    source, folder = root / data, root / name
    folder.mkdir(parents=True)
    known = (source / "truth.json").exists()
    truth = json.loads((source / "truth.json").read_text()) if known else write_data(source)
    found = write_predictions(folder / "coco_instances_results.json", truth, shift)
    config = CONFIG.format(folder=source).replace("seed: 3", f"seed: {seed}")
    (folder / "config.yaml").write_text(config + extra)
    metrics = coco_metrics(truth, found, ["cat", "dog < 3"])
    write_metrics(folder / "metrics.json", precision=metrics["AP"])
    (folder / "results.json").write_text(json.dumps({"bbox": metrics}))
    (folder / "log.txt").write_text("[10:00:00] iter 40/40  epoch 1.00  0:00:01 left\n")
    return folder


@pytest.fixture
def write_run(tmp_path):
    return partial(make_run, tmp_path)


@pytest.fixture(scope="session")
def shared_run(tmp_path_factory):
    """A function like `write_run`, for runs that several tests only read."""
    return partial(make_run, tmp_path_factory.mktemp("shared"))


def page_data(page):
    """What the scripts of a page read."""
    [text] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return json.loads(text)


@pytest.fixture
def read_data():
    return page_data
