"""Every shipped config, thinned and walked through; small models and one image with objects."""

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config, shipped_configs
from aligndetr.explanation import walk
from aligndetr.explanation import walk_example_images as example_images
from aligndetr.structures import Boxes, Instances
from tests.drawn_heads import draw_heads

CONFIGS = {config.name: config.path for config in shipped_configs()}
# Sizes that occur nowhere else; numbers of layers, levels, heads and points stay as published.
THIN = {
    "model.num_classes": 11,
    "model.num_queries": 30,
    "model.embed_dim": 56,
    "model.pyramid.position_embedding.num_features": 28,
    "model.encoder.position_embedding.num_features": 28,
    "model.neck.num_groups": 8,
    "model.encoder.layer.ffn.feedforward_dim": 72,
    "model.decoder.layer.ffn.feedforward_dim": 72,
    "model.decoder.first_layer.ffn.feedforward_dim": 72,
    "model.query_source.num_one_to_many": 61,
    "model.denoiser.num_queries": 10,
}


def thinned(name):
    config = LazyConfig.load(CONFIGS[name])
    for key, value in THIN.items():
        if OmegaConf.select(config, key) is not None or key == "model.num_classes":
            OmegaConf.update(config, key, value)
    return config


@pytest.fixture(scope="session")
def items(tmp_path_factory):
    """Two images of the demo set with their objects."""
    drawn = example_images.drawn_dataset("shapes_train", tmp_path_factory.mktemp("drawn"))
    records = [record for record in drawn if len(record["annotations"]) >= 5]
    return example_images.batch(example_images.choose(records, 2, 11), 160, 11)


@pytest.fixture(scope="session", params=CONFIGS)
def walks(request, items):
    """Name, model, and the walks in training and in evaluation."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = instantiate(thinned(request.param).model)
    also = ["preprocess", "targets"]
    trained = walk(model.train(), items, also=also)
    evaluated = walk(model.eval(), items, also=also[:1])
    torch.set_num_threads(threads)
    return request.param, model, [trained, evaluated]


NAMES = ["disk", "square", "star"]


@pytest.fixture(scope="session")
def tiny_model():
    """Builds the model of a tiny config, with heads that tell queries apart."""

    def build(name):
        config = LazyConfig.load(resolve_config(name))
        config.model.num_classes = len(NAMES)
        torch.manual_seed(0)
        model = instantiate(config.model)
        draw_heads(model)
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
