"""Every config that comes with the package loads, saves, reloads and instantiates."""

import pytest
import torch
from omegaconf import OmegaConf

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import shipped_configs

CONFIGS = {config.name: config.path for config in shipped_configs()}


@pytest.fixture(params=CONFIGS, scope="module")
def both(request, tmp_path_factory):
    """A shipped config, and the same one saved and reloaded; a warning would be an error."""
    config = LazyConfig.load(CONFIGS[request.param])
    if config.model.num_classes is None:  # the tiny ones take it from the data
        LazyConfig.apply_overrides(config, ["model.num_classes=6"])
    path = tmp_path_factory.mktemp(request.param) / "config.yaml"
    LazyConfig.save(config, path)
    return config, LazyConfig.load(path)


def test_the_reloaded_config_builds_the_same_model(both):
    models = []
    for config in both:
        torch.manual_seed(0)
        with torch.device("meta"):
            models.append(instantiate(config.model))
    first, second = models
    assert repr(first) == repr(second)
    shapes = [
        {name: tensor.shape for name, tensor in model.state_dict().items()} for model in models
    ]
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) > 100
    assert first.num_classes == second.num_classes == both[0].model.num_classes


def test_saving_twice_gives_the_same_text(both, tmp_path):
    config, again = both
    texts = []
    for number, item in enumerate((config, again)):
        LazyConfig.save(item, tmp_path / f"{number}.yaml")
        texts.append((tmp_path / f"{number}.yaml").read_text())
    assert texts[0] == texts[1]
    assert "_source_" not in texts[0]  # no lambdas in shipped configs


def test_the_parts_around_the_model_instantiate_alike(both):
    curves, optimizers = [], []
    for config in both:
        schedule = instantiate(config.lr_multiplier)
        curves.append([schedule(step / 20) for step in range(20)])
        arguments = OmegaConf.to_container(config.optimizer, resolve=True)
        arguments.pop("_target_"), arguments.pop("params")
        optimizers.append(arguments)
        for mapper in (config.dataloader.train.mapper, config.dataloader.test.mapper):
            assert callable(instantiate(mapper))
    assert curves[0] == curves[1]
    assert len(set(curves[0])) > 1
    assert optimizers[0] == optimizers[1]


def test_every_interpolation_resolves(both):
    for config in both:
        OmegaConf.to_container(config, resolve=True)
