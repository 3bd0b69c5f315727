"""`train.compile`: other code, same results, same names."""

import copy
import functools

import pytest
import torch
from torch import nn

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import PACKAGE_FOLDER
from aligndetr.engine.compilation import compile_parts
from aligndetr.engine.model import build_model
from aligndetr.errors import ConfigError
from aligndetr.structures import Boxes, Instances

PARTS = ["backbone", "encoder", "decoder"]


@pytest.fixture(scope="module")
def config():
    config = LazyConfig.load(str(PACKAGE_FOLDER / "projects/align_detr/configs/aligndetr_tiny.py"))
    config.model.num_classes = 3
    return config


@pytest.fixture
def traced(monkeypatch, request):
    """Graphs are recorded and run as they are: seconds, where code generation takes minutes."""
    counters = torch._dynamo.utils.counters
    torch._dynamo.reset()
    counters.clear()
    backend = getattr(request, "param", "aot_eager")
    monkeypatch.setattr(
        nn.Module, "compile", functools.partialmethod(nn.Module.compile, backend=backend)
    )
    yield counters
    torch._dynamo.reset()


def step(model, height, width=64):
    """Losses and gradients of one training step."""
    boxes = Boxes(torch.tensor([[8.0, 8.0, 40.0, 56.0], [30.0, 10.0, 60.0, 30.0]]))
    instances = Instances((height, width), gt_boxes=boxes, gt_classes=torch.tensor([0, 2]))
    image = torch.rand(3, height, width, generator=torch.Generator().manual_seed(1)) * 255
    torch.manual_seed(2)
    model.train().zero_grad()
    losses = model([{"image": image, "instances": instances}])
    sum(losses.values()).backward()
    return losses, {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch looks at it while recording
def test_compiled_parts_compute_the_same_for_every_image_size(config, traced):
    torch.manual_seed(0)
    model = instantiate(config.model)
    compiled = copy.deepcopy(model)
    compile_parts(compiled, PARTS)
    assert list(compiled.state_dict()) == list(model.state_dict())
    for height in (64, 96):
        (losses, gradients), (own, own_gradients) = step(model, height), step(compiled, height)
        for name, loss in losses.items():
            torch.testing.assert_close(own[name], loss, rtol=1e-4, atol=1e-5)
        for name, gradient in gradients.items():
            torch.testing.assert_close(own_gradients[name], gradient, rtol=1e-2, atol=1e-4)
    assert traced["stats"]["unique_graphs"] >= len(PARTS)
    assert not traced["graph_break"]


@pytest.mark.filterwarnings("ignore:The .grad attribute")
@pytest.mark.parametrize("traced", ["eager"], indirect=True)  # without the backward: a third
def test_a_dozen_image_sizes_share_what_is_compiled(config, traced):
    """PyTorch keeps eight versions of a part: with one a size it would go on without compiling."""
    torch.manual_seed(0)
    model = instantiate(config.model)
    compile_parts(model, ["encoder"])
    sizes = [(64 + 32 * i, 64) for i in range(6)] + [(64, 96 + 32 * i) for i in range(6)]
    for height, width in sizes:
        step(model, height, width)
    assert traced["frames"] == {"total": 1, "ok": 1}  # recorded once
    assert not traced["graph_break"]


def test_the_config_says_which_parts(config):
    chosen = copy.deepcopy(config)
    LazyConfig.apply_overrides(chosen, ["train.compile=[decoder]"])
    with torch.device("meta"):
        model = build_model(chosen, None)
    compiled = [name for name in PARTS if getattr(model, name)._compiled_call_impl is not None]
    assert compiled == ["decoder"]


def test_a_part_that_is_not_there_is_named(config):
    with torch.device("meta"):
        model = instantiate(config.model)
    with pytest.raises(ConfigError, match=r"train\.compile: the model has no part 'decodr'"):
        compile_parts(model, ["decodr"])
