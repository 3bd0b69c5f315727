"""Every shipped config, thinned, walked through once in training and once in evaluation."""

import pytest
import torch
from omegaconf import OmegaConf

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import shipped_configs
from aligndetr.walk import batch, walk

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


def items(count=2, size=160):
    pictures = batch.choose(batch.drawn_pictures("shapes_train"), count, 11)
    return batch.batch(pictures, size, "RGB", 11)


@pytest.fixture(scope="session", params=CONFIGS)
def walks(request):
    """Name, model, and the walks in training and in evaluation."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = instantiate(thinned(request.param).model)
    also = ["preprocess", "targets"]
    trained = walk(model.train(), items(), also=also)
    evaluated = walk(model.eval(), items(), also=also[:1])
    torch.set_num_threads(threads)
    return request.param, model, [trained, evaluated]
