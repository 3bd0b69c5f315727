"""Stages and blocks found among parameter names, by hand for the layouts of real backbones."""

import pytest
import torch

from aligndetr.modeling.backbone import ResNet
from aligndetr.modeling.backbone.depth import anatomy

SWIN = [  # downsampling at the end of a stage
    ("embeddings.projection.weight", 0, 0),
    ("encoder.layers.0.blocks.0.attention.q_proj.weight", 1, 1),
    ("encoder.layers.0.blocks.1.mlp.fc1.weight", 1, 2),
    ("encoder.layers.0.downsample.reduction.weight", 1, 2),
    ("encoder.layers.1.blocks.0.attention.q_proj.weight", 2, 3),
    ("encoder.layers.1.blocks.0.mlp.fc1.weight", 2, 3),
    ("norms.stage2.weight", 3, 4),
]
CONVNEXT = [  # downsampling at the start of a stage
    ("embeddings.patch_embeddings.weight", 0, 0),
    ("encoder.stages.0.layers.0.dwconv.weight", 1, 1),
    ("encoder.stages.1.downsampling_layer.0.weight", 2, 2),
    ("encoder.stages.1.downsampling_layer.1.weight", 2, 2),
    ("encoder.stages.1.layers.0.dwconv.weight", 2, 2),
    ("encoder.stages.1.layers.1.dwconv.weight", 2, 3),
    ("hidden_states_norms.stage2.weight", 3, 4),
]
VIT = [  # each block is a stage
    ("embeddings.cls_token", 0, 0),
    ("encoder.layer.0.attention.q_proj.weight", 1, 1),
    ("encoder.layer.0.mlp.fc1.weight", 1, 1),
    ("encoder.layer.1.mlp.fc1.weight", 2, 2),
    ("layernorm.weight", 3, 3),
]


@pytest.mark.parametrize("layout", [SWIN, CONVNEXT, VIT], ids=["swin", "convnext", "vit"])
def test_depths_of_known_layouts(layout):
    found = anatomy([name for name, _, _ in layout])
    depths = [(name, depth.stage, depth.block) for name, depth in found.depths.items()]
    assert depths == layout


def test_the_paths_of_blocks_lead_to_them():
    found = anatomy([name for name, _, _ in SWIN])
    assert found.stages == ["encoder.layers.0", "encoder.layers.1"]
    assert found.blocks == [
        f"encoder.layers.{path}" for path in ("0.blocks.0", "0.blocks.1", "1.blocks.0")
    ]


def test_our_resnet_has_its_stages_and_blocks():
    with torch.device("meta"):
        model = ResNet(depth=50, norm="BN")
    found = anatomy([name for name, _ in model.named_parameters()])
    assert found.stages == ["res2", "res3", "res4", "res5"]
    assert len(found.blocks) == 3 + 4 + 6 + 3
    assert found.depths["stem.conv1.weight"].block == 0
    assert found.depths["res3.0.conv1.weight"].block == 4
    assert found.depths["res5.2.conv3.weight"].block == 16


def test_names_without_numbers_have_no_blocks():
    found = anatomy(["conv.weight", "conv.bias"])
    assert (found.stages, found.blocks) == ([], [])
    assert {depth.block for depth in found.depths.values()} == {0}
