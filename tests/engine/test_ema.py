import math

import pytest
import torch
from torch import nn

from aligndetr.engine.hooks import ModelEMA
from aligndetr.errors import ConfigError


def set_all(model, value):
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(value)


def test_parameters_and_buffers_are_averaged_and_counters_copied():
    model = nn.BatchNorm1d(2)
    set_all(model, 1)
    ema = ModelEMA(model, decay=0.75)
    set_all(model, 9)
    ema.update(model)
    # 0.75 * 1 + 0.25 * 9 = 3
    for name in ("weight", "bias", "running_mean", "running_var"):
        assert ema.state_dict()[name].tolist() == [3.0, 3.0], name
    assert ema.state_dict()["num_batches_tracked"] == 9
    ema.update(model)
    assert ema.state_dict()["weight"].tolist() == [4.5, 4.5]  # 0.75 * 3 + 0.25 * 9
    assert model.weight.tolist() == [9.0, 9.0]


def test_warmup_forgets_the_start_quickly():
    model = nn.Linear(1, 1, bias=False)
    set_all(model, 0)
    ema = ModelEMA(model, decay=0.9, warmup=2)
    set_all(model, 1)
    ema.update(model)
    decay = 0.9 * (1 - math.exp(-1 / 2))
    assert ema.module.weight.item() == pytest.approx(1 - decay)


def test_the_average_is_in_evaluation_mode_and_needs_no_gradient():
    ema = ModelEMA(nn.Sequential(nn.Linear(1, 1), nn.Dropout()).train())
    assert not any(module.training for module in ema.module.modules())
    assert not any(p.requires_grad for p in ema.module.parameters())


def test_its_weights_load_into_the_model():
    model = nn.Linear(2, 2)
    ema = ModelEMA(model)
    set_all(model, 5)
    model.load_state_dict(ema.state_dict())
    assert not torch.equal(model.weight, torch.full((2, 2), 5.0))


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_that_is_none_is_refused(decay):
    with pytest.raises(ConfigError, match=r"\[0, 1\)"):
        ModelEMA(nn.Linear(1, 1), decay)
