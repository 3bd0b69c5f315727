"""Sizes between the toys and ResNet-50: as many parameters as they say, and their image size."""

import pytest
import torch

from aligndetr.config import LazyConfig, instantiate, resolve_config


@pytest.mark.parametrize(
    ("name", "millions", "edge"),
    [
        ("aligndetr_r18_small", (10, 20), 400),
        ("rtdetr_r18_small", (10, 20), 384),
        ("aligndetr_r18", (25, 35), 640),
        ("dino_r18", (25, 35), 640),
    ],
)
def test_size(name, millions, edge):
    config = LazyConfig.load(resolve_config(name))
    config.model.num_classes = 3
    with torch.device("meta"):
        model = instantiate(config.model)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert millions[0] * 1e6 < count < millions[1] * 1e6
    (resize,) = instantiate(config.dataloader.test.mapper.augmentation)
    assert {*getattr(resize, "lengths", ()), *getattr(resize, "shape", ())} == {edge}
    # nothing but own data and this config is needed
    assert config.train.init_checkpoint == ""
    assert config.optimizer.params.lr_factor is None
    assert config.model.backbone.freeze_at == 0
