"""How weights start, where the published code says so (docs/parity.md, "Initial weights")."""

import math

import pytest
import torch

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config


def shipped(name):
    torch.manual_seed(0)
    config = LazyConfig.load(resolve_config(name)).model
    config.num_classes = 3
    return instantiate(config)


def is_xavier(weight):
    """Whether a matrix is uniform up to sqrt(6 / (inputs + outputs)), Glorot and Bengio 2010."""
    bound = math.sqrt(6 / sum(weight.shape))
    # the largest of n uniform numbers is below 0.95 of the bound with probability 0.95^n
    return 0.95 * bound < weight.abs().max() <= bound and weight.numel() > 100


def matrices(**modules):
    return {
        f"{part}.{name}": weight
        for part, module in modules.items()
        for name, weight in module.named_parameters()
        if weight.dim() > 1
    }


def test_matrices_of_dab_transformers_start_xavier():
    # published: every matrix inside the transformer, only prediction heads lie outside
    model = shipped("dab_detr_tiny")
    found = matrices(
        encoder=model.encoder,
        layers=model.decoder.layers,
        position=model.decoder.position_mlp,
        deformable=shipped("dab_deformable_detr_tiny").decoder.position_mlp,
    )
    assert len(found) > 40
    assert not [name for name, weight in found.items() if not is_xavier(weight)]


@pytest.mark.parametrize("name", ["dino_tiny", "aligndetr_tiny"])
def test_content_and_positions_of_dino_start_xavier(name):
    # the published transformer holds both, and draws all that it holds Xavier-uniform
    model = shipped(name)
    found = matrices(content=model.query_source.content, position=model.decoder.position_mlp)
    assert len(found) == 3
    assert not [name for name, weight in found.items() if not is_xavier(weight)]


SIZES = {
    # the first box head's bias of width and height, and that of the second layer's head
    "deformable_detr_r50_50ep": (-2, -2),  # one head for all layers
    "deformable_detr_r50_with_box_refinement_50ep": (-2, 0),
    "deformable_detr_r50_two_stage_50ep": (0, 0),
    "dab_deformable_detr_tiny": (-2, 0),
    "dab_deformable_detr_r50_two_stage_50ep": (0, 0),
    "h_deformable_detr_tiny": (0, 0),
    "dino_tiny": (0, 0),
    "rtdetr_tiny": (0, 0),
}


@pytest.mark.parametrize("name", SIZES)
def test_boxes_around_points_start_small(name):
    config = LazyConfig.load(resolve_config(name)).model
    config.num_classes = 3
    decoder = instantiate(config.decoder)
    biases = [head.layers[-1].bias.tolist() for head in decoder.box_heads[:2]]
    assert biases == [[0, 0, size, size] for size in SIZES[name]]
