"""Small models of the family with random weights, and one image with objects."""

import numpy as np
import pytest
import torch

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.structures import Boxes, Instances

NAMES = ["disk", "square", "star"]


@pytest.fixture(scope="session")
def tiny_model():
    """Builds the model of a tiny config, with heads that tell queries apart."""

    def build(name):
        config = LazyConfig.load(resolve_config(name))
        config.model.num_classes = len(NAMES)
        torch.manual_seed(0)
        model = instantiate(config.model)
        for head in {*model.decoder.class_heads}:
            torch.nn.init.normal_(head.weight, std=0.5)
        for head in {*model.decoder.box_heads}:
            torch.nn.init.normal_(head.layers[-1].weight, std=0.3)
        return model

    return build


@pytest.fixture(scope="session")
def model(tiny_model):
    return tiny_model("aligndetr_tiny")


@pytest.fixture(scope="session")
def image():
    return np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def item(image):
    """An image of 128 x 96 with a disk at the left and a star at the right."""
    boxes = Boxes(torch.tensor([[8.0, 12.0, 40.0, 60.0], [64.0, 24.0, 128.0, 96.0]]))
    instances = Instances((96, 128), gt_boxes=boxes, gt_classes=torch.tensor([0, 2]))
    pixels = torch.from_numpy(image.transpose(2, 0, 1).copy())
    return {"image": pixels, "height": 96, "width": 128, "instances": instances}


@pytest.fixture
def without_truth(item):
    return {key: value for key, value in item.items() if key != "instances"}
