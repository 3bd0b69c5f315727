import math

import pytest
import torch

from aligndetr.layers.boxes import inverse_sigmoid
from aligndetr.layers.position_embedding import (
    LearnedPositionEmbedding,
    SinePositionEmbedding,
    sine_embedding,
)


def test_sine_embedding_by_hand():
    # x = 0.25 is a quarter turn: wavelength 1 gives sin(pi/2), cos(pi/2); the second pair is
    # divided by 10000 ** (2/4) = 100
    out = sine_embedding(torch.tensor([0.25], dtype=torch.float64), num_features=4)
    angle = math.pi / 2
    expected = [1.0, 0.0, math.sin(angle / 100), math.cos(angle / 100)]
    assert out.tolist() == pytest.approx(expected, abs=1e-15)


def test_temperature_changes_wavelengths():
    x = torch.tensor([0.25], dtype=torch.float64)
    out = sine_embedding(x, num_features=4, temperature=16.0)
    assert out[2].item() == pytest.approx(math.sin(math.pi / 2 / 4), abs=1e-15)  # 16 ** 0.5 = 4


def test_map_embedding_counts_only_unpadded_pixels():
    padding = torch.tensor([[[False, False, True], [False, False, True], [True, True, True]]])
    module = SinePositionEmbedding(num_features=2, normalize=True, offset=-0.5, eps=0.0)
    out = module(padding, torch.float64)
    # 2 x 2 unpadded pixels: centres at (1 - 0.5) / 2 and (2 - 0.5) / 2 of a turn; row, then column
    quarter, three_quarters = 2 * math.pi * 0.25, 2 * math.pi * 0.75
    expected = [
        math.sin(quarter),
        math.cos(quarter),
        math.sin(three_quarters),
        math.cos(three_quarters),
    ]
    assert out.shape == (1, 3, 3, 4)
    assert out[0, 0, 1].tolist() == pytest.approx(expected, abs=1e-15)


def test_unnormalised_positions_are_pixel_counts():
    out = SinePositionEmbedding(2, normalize=False)(torch.zeros(1, 2, 2, dtype=torch.bool))
    assert out[0, 1, 0].tolist() == pytest.approx(
        [math.sin(2), math.cos(2), math.sin(1), math.cos(1)], abs=1e-6
    )


def test_learned_embedding_is_column_then_row():
    module = LearnedPositionEmbedding(num_features=3, num_rows=4, num_columns=5)
    out = module(torch.zeros(2, 4, 5, dtype=torch.bool))
    assert torch.equal(out[1, 2, 3, :3], module.col_embed.weight[3])
    assert torch.equal(out[1, 2, 3, 3:], module.row_embed.weight[2])


def test_learned_embedding_says_when_the_map_is_too_large():
    module = LearnedPositionEmbedding(num_features=3, num_rows=4, num_columns=5)
    with pytest.raises(ValueError, match=r"5x5 feature map.*4 rows"):
        module(torch.zeros(1, 5, 5, dtype=torch.bool))


def test_inverse_sigmoid_inverts_and_saturates():
    x = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    assert torch.allclose(inverse_sigmoid(x).sigmoid(), x, atol=1e-15)
    # at 1 the fraction is 1 / eps
    assert inverse_sigmoid(torch.tensor(1.0)).item() == pytest.approx(math.log(1000), rel=1e-6)
    assert inverse_sigmoid(torch.tensor(-3.0)).item() == pytest.approx(-math.log(1000), rel=1e-6)
