import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from aligndetr.engine import model as module
from aligndetr.engine.data_parallel import compress_gradients, synchronised_batch_norms
from aligndetr.errors import ConfigError
from aligndetr.layers.norm import FrozenBatchNorm2d

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


def config_of(**options):
    return OmegaConf.create({"train": {"ddp": options}})


def network():
    return nn.Sequential(nn.BatchNorm2d(3), FrozenBatchNorm2d(3), nn.GroupNorm(1, 3))


def test_batch_norms_that_train_are_synchronised_and_keep_names_and_parameters():
    model = network()
    names, weight = list(model.state_dict()), model[0].weight
    changed = synchronised_batch_norms(model, config_of(sync_batch_norm=True), GPU)
    kinds = [nn.SyncBatchNorm, FrozenBatchNorm2d, nn.GroupNorm]
    assert [type(part) for part in changed] == kinds
    assert list(changed.state_dict()) == names
    assert changed[0].weight is weight  # the optimizer has it already


@pytest.mark.parametrize("options", [{}, {"sync_batch_norm": False}])
def test_without_being_asked_batch_norms_stay(options):
    model = network()
    assert synchronised_batch_norms(model, config_of(**options), GPU) is model
    assert type(model[0]) is nn.BatchNorm2d


def test_on_the_cpu_they_cannot_be_synchronised(monkeypatch):
    monkeypatch.setattr(module, "world_size", lambda: 2)
    with pytest.raises(ConfigError, match=r"train\.ddp\.sync_batch_norm=true needs GPUs"):
        module.distribute(network(), config_of(sync_batch_norm=True), CPU)
    frozen = nn.Sequential(FrozenBatchNorm2d(3))
    assert synchronised_batch_norms(frozen, config_of(sync_batch_norm=True), CPU) is frozen


class Wrapper:
    """What is asked of DistributedDataParallel."""

    hook = None

    def register_comm_hook(self, state, hook):
        self.hook = hook.__name__


@pytest.mark.parametrize(
    "options, hook",
    [
        ({}, None),
        ({"fp16_compression": False}, None),
        ({"fp16_compression": True}, "fp16_compress_hook"),
        ({"gradient_compression": "fp16"}, "fp16_compress_hook"),
        ({"gradient_compression": "bf16", "fp16_compression": True}, "bf16_compress_hook"),
    ],
)
def test_how_gradients_travel(options, hook):
    wrapper = Wrapper()
    compress_gradients(wrapper, config_of(**options))
    assert wrapper.hook == hook


def test_an_unknown_way_is_refused():
    with pytest.raises(ConfigError, match=r"gradient_compression='zip': choose fp16, bf16 or"):
        compress_gradients(Wrapper(), config_of(gradient_compression="zip"))
