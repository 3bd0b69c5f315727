"""The configs in docs/backbones.md load, and their parts fit each other."""

import re
from pathlib import Path

import pytest
import torch

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.engine.activation_checkpointing import recompute_activations

pytest.importorskip("transformers")

TEXT = (Path(__file__).parents[2] / "docs/backbones.md").read_text(encoding="utf-8")
STRIDES = {"dino_convnext.py": [8, 16, 32], "dino_dinov2.py": [7, 14, 28]}


def rates(config, model):
    """Learning rate by parameter name."""
    config.optimizer.params.model = model
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = instantiate(config.optimizer.params)
    return {names[p]: group["lr"] for group in groups for p in group["params"]}


@pytest.fixture
def files(tmp_path):
    for block in re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        name = re.match(r"# file: (\S+)\n", block)[1]
        (tmp_path / name).write_text(block)
    return tmp_path


@pytest.mark.parametrize("name", STRIDES)
def test_the_documented_configs_fit(files, name):
    config = LazyConfig.load(str(files / name))
    with torch.device("meta"):
        model = instantiate(config.model)
    assert model.backbone.channels == dict(config.model.neck.in_channels)
    assert list(model.backbone.strides.values()) == STRIDES[name]
    recompute_activations(model, config.train.activation_checkpointing)
    config.optimizer.lr = 1.0
    found = rates(config, model)
    if name == "dino_dinov2.py":
        # 12 blocks: block 12 is one step from the end, the embedding thirteen
        prefix = "backbone.net.model."
        assert found[f"{prefix}encoder.layer.11.mlp.fc1.weight"] == pytest.approx(0.7)
        assert found[f"{prefix}encoder.layer.0.mlp.fc1.weight"] == pytest.approx(0.7**12)
        assert found[f"{prefix}embeddings.cls_token"] == pytest.approx(0.7**13)
        assert found["backbone.levels.p3.0.weight"] == 1.0


def test_the_documented_override_works():
    [text] = re.findall(r"'(optimizer\.params\.lr_factor=.*?)'$", TEXT, re.MULTILINE)
    config = LazyConfig.load(resolve_config("dino_swin_tiny_224_4scale_12ep"))
    LazyConfig.apply_overrides(config, [text, "optimizer.lr=1.0"])
    with torch.device("meta"):
        found = rates(config, instantiate(config.model))
    # 2 + 2 + 6 + 2 blocks
    prefix = "backbone.model.swin."
    assert found[f"{prefix}embeddings.norm.weight"] == pytest.approx(0.9**13)
    assert found[f"{prefix}encoder.layers.2.blocks.5.mlp.fc1.weight"] == pytest.approx(0.9**3)
    assert found[f"{prefix}encoder.layers.2.downsample.norm.weight"] == pytest.approx(0.9**3)
    assert found["backbone.model.hidden_states_norms.stage4.weight"] == 1.0
