"""The points that are drawn are those that are used."""

import pytest
import torch

from aligndetr.layers.deformable_attention import MultiScaleDeformableAttention
from aligndetr.layers.ms_deform_attn.reference import sample_reference

SHAPES = [(5, 7), (3, 4)]
TOKENS = 5 * 7 + 3 * 4


@pytest.fixture
def attention():
    torch.manual_seed(0)
    attention = MultiScaleDeformableAttention(embed_dim=16, num_heads=4, num_levels=2, num_points=3)
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return attention.double()


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("has_position", [True, False])
def test_points_and_weights_give_the_modules_output(attention, size, has_position):
    query, value = torch.randn(2, 6, 16).double(), torch.randn(2, TOKENS, 16).double()
    reference = torch.rand(2, 6, 2, size).double()
    position = torch.randn(2, 6, 16).double() if has_position else None
    padding = torch.rand(2, TOKENS) < 0.2
    locations, weights = attention.sampling_points(query, reference, SHAPES, position)
    assert locations.shape == (2, 6, 4, 2, 3, 2)
    tokens = attention.value_proj(value).masked_fill(padding[..., None], 0).unflatten(-1, (4, -1))
    out = attention.output_proj(sample_reference(tokens, SHAPES, locations, weights))
    expected = attention(query, reference, value, SHAPES, padding, position)
    torch.testing.assert_close(out, expected, rtol=1e-9, atol=1e-9)


def test_weights_share_one_among_levels_and_points(attention):
    _, weights = attention.sampling_points(
        torch.randn(1, 3, 16).double(), torch.rand(1, 3, 2, 2).double(), SHAPES
    )
    torch.testing.assert_close(weights.sum((-1, -2)), torch.ones(1, 3, 4).double())


def test_an_untrained_head_walks_away_from_a_point_in_pixels(attention):
    attention.reset_parameters()
    reference = torch.full((1, 1, 2, 2), 0.5).double()
    locations, weights = attention.sampling_points(
        torch.zeros(1, 1, 16).double(), reference, SHAPES
    )
    # head 0 goes to the right by 1, 2, 3 pixels of a level that is 7 wide, then of one 4 wide
    expected = torch.tensor([[0.5 + i / 7 for i in (1, 2, 3)], [0.5 + i / 4 for i in (1, 2, 3)]])
    torch.testing.assert_close(locations[0, 0, 0, ..., 0], expected.double())
    assert (weights == 1 / 6).all()
