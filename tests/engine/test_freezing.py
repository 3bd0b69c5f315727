"""Parts that are not trained: which, how many, and that nothing of them moves."""

import logging

import pytest
import torch
from torch import nn

from aligndetr.config import LazyConfig
from aligndetr.engine.freezing import freeze_parts
from aligndetr.engine.model import load_model
from aligndetr.engine.run import train
from aligndetr.errors import CheckpointError, ConfigError
from aligndetr.layers.norm import FrozenBatchNorm2d


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2))
        self.scale = nn.Parameter(torch.ones(5))


def trained(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


HEAD = {"head.0.weight", "head.0.bias", "head.1.weight", "head.1.bias"}
CONVOLUTION = {"backbone.0.weight", "backbone.0.bias"}


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["backbone"], HEAD | {"scale"}),
        (["backbone.*"], HEAD | {"scale"}),
        (["backbone.*", "head.0"], {"head.1.weight", "head.1.bias", "scale"}),
        (["scale", "head"], CONVOLUTION | {"backbone.1.weight", "backbone.1.bias"}),
        (["*.[1]"], CONVOLUTION | {"head.0.weight", "head.0.bias", "scale"}),
        (["head.*.bias"], CONVOLUTION | {"backbone.1.weight", "backbone.1.bias", "scale",
                                         "head.0.weight", "head.1.weight"}),
    ],
)  # fmt: skip
def test_patterns_are_names_of_modules_and_parameters(patterns, expected):
    model = Small()
    freeze_parts(model, patterns)
    assert trained(model) == expected


def test_what_is_frozen_is_counted(caplog):
    with caplog.at_level(logging.INFO):
        freeze_parts(Small(), ["backbone.*", "backbone.0", "scale"])
    # 3 * 4 + 4 of the convolution, 4 + 4 of its norm, 5; and 4 * 2 + 2 + 2 + 2 of the head
    assert "29 of 43 parameters, in 5 tensors; 1 batch norms are constants" in caplog.text


def test_frozen_norms_are_constants_in_training():
    model = Small()
    for norm in (model.backbone[1], model.head[1]):
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.5, 2)
    images, states = torch.randn(2, 3, 5, 6), torch.randn(3, 4)
    with torch.no_grad():
        expected = model.eval().backbone(images), model.head(states)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        freeze_parts(model, ["backbone", "head"])
        found = model.train().backbone(images), model.head(states)
    torch.testing.assert_close(found, expected)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    assert not any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in model.modules())


def test_a_norm_of_which_only_the_bias_is_frozen_still_learns():
    model = Small()
    freeze_parts(model, ["backbone.1.bias"])
    assert isinstance(model.backbone[1], nn.BatchNorm2d)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("bakbone", "'bakbone' matches no module and no parameter; did you mean backbone"),
        ("encoder.*", "'encoder.*' matches no .*; the parts of the model are backbone, head"),
        ("backbone.2", "'backbone.2' matches backbone.2, which has no parameters"),
        ("", "is no pattern"),
        (3, "is no pattern"),
    ],
)
def test_a_pattern_that_freezes_nothing_is_refused(pattern, message):
    model = Small()
    with pytest.raises(ConfigError, match=message):
        freeze_parts(model, ["head", pattern])
    assert len(trained(model)) == 9


FREEZE = "train.freeze=[backbone.*,encoder]"


def weights(folder, name="model_final"):
    return torch.load(folder / f"{name}.pth", weights_only=True)


@pytest.fixture
def frozen_run(tiny_config, tmp_path):
    """Three steps; the optimizer's factor for the backbone, now frozen, is no error."""
    config = tiny_config(FREEZE, "train.model_ema.enabled=true", "train.checkpointer.period=2")
    config.optimizer.params.lr_factor = {"backbone": 0.1}
    train(config)
    return config, tmp_path / "run"


def test_a_run_trains_the_rest_alone(frozen_run, tiny_config, tmp_path):
    config, folder = frozen_run
    start = tiny_config(FREEZE, "train.max_iter=1", f"train.output_dir={tmp_path}/one")
    train(start)
    first, last = weights(tmp_path / "one")["model"], weights(folder)["model"]
    for name in last:
        is_frozen = name.startswith(("backbone.", "encoder."))
        assert torch.equal(first[name], last[name]) == is_frozen or not last[name].any(), name
    content = weights(folder)
    stored = sum(len(group["params"]) for group in content["optimizer"]["param_groups"])
    assert stored == sum(
        1 for name in trained(built(config)) if not name.startswith(("backbone.", "encoder."))
    )


def built(config):
    from aligndetr.config import instantiate

    node = config.model.copy()
    node.num_classes = 3
    return instantiate(node)


def test_a_frozen_run_is_resumed_bit_by_bit(frozen_run, tmp_path):
    config, folder = frozen_run
    whole = weights(folder)
    for name in ("model_final.pth", "model_best.pth", "model_0000002.pth", "model_0000003.pth"):
        (folder / name).unlink(missing_ok=True)
    (folder / "last_checkpoint").write_text("model_0000001.pth")
    train(config, resume=True)
    resumed = weights(folder)
    for part in ("model", "ema"):
        assert whole[part].keys() == resumed[part].keys()
        assert all(torch.equal(whole[part][name], resumed[part][name]) for name in whole[part])


def test_checkpoints_fit_models_that_are_not_frozen(frozen_run, tiny_config):
    """Without the patterns, as when a config's name and a checkpoint are given."""
    _, folder = frozen_run
    model = load_model(tiny_config(), folder / "model_final.pth", weights="model")
    stored = weights(folder)["model"]
    for name, value in stored.items():
        assert torch.equal(model.state_dict()[name], value)


def test_a_resumed_run_freezes_what_the_run_froze(frozen_run):
    config, _ = frozen_run
    changed = LazyConfig.apply_overrides(config, ["train.freeze=[]", "train.max_iter=5"])
    with pytest.raises(CheckpointError, match=r"optimizer state.*does not fit"):
        train(changed, resume=True)


def test_frozen_norms_can_be_recomputed(tiny_config):
    with pytest.raises(ConfigError, match="batch norms"):
        train(tiny_config("train.activation_checkpointing=[backbone]"))
    train(tiny_config("train.activation_checkpointing=[backbone]", "train.freeze=[backbone.res*]"))


def test_frozen_batch_norms_take_any_number_of_dimensions():
    for norm, shape in ((nn.BatchNorm1d(3), (2, 3)), (nn.BatchNorm3d(3), (2, 3, 2, 2, 2))):
        norm.running_mean.uniform_(-1, 1)
        frozen = FrozenBatchNorm2d(3)
        frozen.load_state_dict(norm.state_dict(), strict=False)
        x = torch.randn(shape)
        torch.testing.assert_close(frozen(x), norm.eval()(x))
