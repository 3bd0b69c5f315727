"""A tiny detector, and checkpoints of other toolboxes made from it."""

import os
from pathlib import Path

import pytest
import torch

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.interop.renaming import export_state
from aligndetr.interop.sources import DETREX

ROOT = Path(__file__).parents[2]
SMALL_DEFORMABLE = {
    "model.num_classes": 6,
    "model.num_queries": 20,
    "model.embed_dim": 64,
    "model.pyramid.position_embedding.num_features": 32,
    "+model.backbone.width": 8,
    "model.neck.in_channels": "{res3: 64, res4: 128, res5: 256}",
    "model.encoder.num_layers": 2,
    "model.encoder.layer.ffn.feedforward_dim": 96,
    "model.decoder.num_layers": 3,
    "model.decoder.layer.ffn.feedforward_dim": 96,
}


def build_tiny(num_classes=6, depth=18, **changes):
    """AlignDETR's architecture with one encoder layer and two decoder layers."""
    config = LazyConfig.load(resolve_config("configs/models/dino_tiny.py"))
    config.model.num_classes = num_classes
    config.model.decoder.num_layers = 2
    config.model.backbone.depth = depth
    config.model.backbone.norm = "FrozenBN"
    config.model.backbone.width = 8
    scale = 1 if depth < 50 else 4
    config.model.neck.in_channels = {f"res{i}": 8 * scale * 2 ** (i - 2) for i in (3, 4, 5)}
    LazyConfig.apply_overrides(config, [f"{key}={value}" for key, value in changes.items()])
    return instantiate(config.model)


def build_deformable(variant, **changes):
    """A config of the Deformable-DETR family shrunk to two encoder and three decoder layers."""
    config = LazyConfig.load(resolve_config(variant))
    overrides = SMALL_DEFORMABLE | changes
    LazyConfig.apply_overrides(config, [f"{key}={value}" for key, value in overrides.items()])
    return instantiate(config.model)


def randomise(model, seed=0):
    """Give every floating tensor its own random values."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.1)
    return model


@pytest.fixture
def make_tiny():
    return build_tiny


@pytest.fixture
def make_deformable():
    return build_deformable


@pytest.fixture
def tiny():
    """A detector whose every tensor is random."""
    return randomise(build_tiny())


@pytest.fixture
def detrex_file(tiny, tmp_path):
    """The tiny detector as detrex would have saved it."""
    path = tmp_path / "detrex.pth"
    torch.save({"model": export_state(tiny.state_dict(), DETREX), "iteration": 3}, path)
    return path


@pytest.fixture(scope="session")
def key_lists():
    """Published key lists: name -> {key: (shape, first alias)}."""
    folder = Path(os.environ.get("ALIGNDETR_GOLDEN") or ROOT / "tests/data/golden")
    lists = {}
    for path in sorted(folder.glob("state_dict_*.txt")):
        rows = [line.split("\t") for line in path.read_text().splitlines() if line[0] != "#"]
        lists[path.stem.removeprefix("state_dict_")] = {
            key: (tuple(int(n) for n in shape.strip("()").split(",") if n.strip()), alias)
            for key, shape, _, alias in rows
        }
    return lists
