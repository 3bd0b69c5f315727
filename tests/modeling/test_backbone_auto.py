"""Backbones of the transformers library, with random weights from a configuration."""

import sys

import pytest
import torch

from aligndetr.errors import ConfigError
from aligndetr.modeling.backbone import TransformersBackbone, build_backbone

pytest.importorskip("transformers")

TINY = {
    "swin": {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 4},
    "convnext": {"hidden_sizes": [8, 12, 16, 24], "depths": [1, 1, 1, 1]},
    "focalnet": {"embed_dim": 8, "depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 32, 64]},
    "dinov2": {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "patch_size": 16,
    },
    "vitdet": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2},
}


@pytest.mark.parametrize(
    "name, features, strides",
    [
        ("swin", ("stage2", "stage3", "stage4"), (8, 16, 32)),
        ("convnext", ("stage2", "stage3", "stage4"), (8, 16, 32)),
        ("focalnet", ("stage1", "stage2"), (8, 16)),  # its maps are those after downsampling
        ("dinov2", ("stage1", "stage2"), (16, 16)),
        ("vitdet", ("stage2",), (16,)),
    ],
)
def test_channels_and_strides_describe_the_outputs(name, features, strides):
    model = build_backbone("auto", name_or_config=name, out_features=features, config=TINY[name])
    assert tuple(model.strides.values()) == strides
    outputs = model(torch.randn(2, 3, 64, 96))
    assert tuple(outputs) == features
    for feature, stride in zip(features, strides, strict=True):
        shape = (2, model.channels[feature], 64 // stride, 96 // stride)
        assert outputs[feature].shape == shape


def test_gradients_reach_all_but_the_frozen_part():
    model = TransformersBackbone(
        "convnext", ("stage2", "stage4"), config=TINY["convnext"], freeze=("embeddings",)
    )
    sum(m.square().sum() for m in model(torch.randn(1, 3, 64, 64)).values()).backward()
    for name, parameter in model.model.named_parameters():
        assert (parameter.grad is None) == name.startswith("embeddings"), name


def test_clear_errors(monkeypatch):
    with pytest.raises(ConfigError, match=r"stage9"):
        TransformersBackbone("convnext", ("stage9",), config=TINY["convnext"])
    with pytest.raises(ConfigError, match=r"freeze='stem'.*embeddings"):
        TransformersBackbone("convnext", ("stage2",), config=TINY["convnext"], freeze=("stem",))
    with pytest.raises(ConfigError, match=r"a model type has no weights"):
        TransformersBackbone("convnext", ("stage2",), pretrained=True, config=TINY["convnext"])
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"pip install 'aligndetr\[transformers\]'"):
        TransformersBackbone("convnext", ("stage2",))


def test_a_local_folder_gives_its_weights(tmp_path):
    first = TransformersBackbone("convnext", ("stage2",), config=TINY["convnext"])
    first.model.save_pretrained(tmp_path)
    second = TransformersBackbone(str(tmp_path), ("stage2",), pretrained=True)
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(second.eval()(images), first.eval()(images))
    with pytest.raises(ConfigError, match="no_such_folder"):
        TransformersBackbone(str(tmp_path / "no_such_folder" / "x"), ("stage2",))
