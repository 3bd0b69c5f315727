"""A model with weights, an image, and small datasets, for rooms that share them."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.engine.checkpoint import Checkpointer

NAMES = ["disk", "square", "star"]


def pytest_configure():
    """Workers of pytest-xdist share the cores, and so do the programs that their tests start."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1 and "OMP_NUM_THREADS" not in os.environ:
        threads = max(1, (os.cpu_count() or 1) // workers)
        os.environ["OMP_NUM_THREADS"] = str(threads)
        torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def settings_of_a_new_user(monkeypatch, tmp_path_factory):
    """Trainings of a test leave no note of consent in the settings of whoever runs it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("settings")))


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    """Random weights whose classification bias lets some scores be high."""
    folder = tmp_path_factory.mktemp("checkpoint")
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    config.model.num_classes = len(NAMES)
    torch.manual_seed(0)
    model = instantiate(config.model)
    torch.nn.init.normal_(model.decoder.class_heads[-1].weight, std=0.5)
    Checkpointer(model, folder, extra={"class_names": NAMES}).save("model_final", iteration=0)
    return folder / "model_final.pth"


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)


@pytest.fixture
def coco_folder(tmp_path):
    """Writes `annotations.json` and `images/` and returns their paths; images are grey noise."""

    def write(images, annotations, categories=((3, "car"), (1, "person"), (17, "cat"))):
        folder = tmp_path / "images"
        folder.mkdir(exist_ok=True)
        entries = []
        for identity, (height, width) in images:
            pixels = np.random.default_rng(identity).integers(0, 256, (height, width, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{identity}.png")
            entries.append(
                {"id": identity, "file_name": f"{identity}.png", "height": height, "width": width}
            )
        content = {
            "images": entries,
            "annotations": [
                {"id": number, "iscrowd": 0, **annotation}
                for number, annotation in enumerate(annotations, start=1)
            ],
            "categories": [{"id": identity, "name": name} for identity, name in categories],
        }
        path = tmp_path / "annotations.json"
        path.write_text(json.dumps(content))
        return path, folder

    return write
