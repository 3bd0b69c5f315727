"""Trainings on a GPU that could not be repeated are refused by name."""

import pytest
import torch
from torch import nn

from aligndetr.engine.determinism import check_deterministic
from aligndetr.engine.precision import Precision
from aligndetr.errors import ConfigError
from aligndetr.layers.deformable_attention import MultiScaleDeformableAttention
from aligndetr.layers.ms_deform_attn import selection
from aligndetr.modeling.backbone.blocks import DeformConvNorm
from aligndetr.projects.deformable_attention_2d.attention import DeformableAttention2D

GPU = Precision(torch.device("cuda"))


@pytest.fixture(autouse=True)
def deterministic():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def model(part):
    return nn.Sequential(nn.Linear(2, 2), part)


@pytest.mark.parametrize(
    ("part", "named"),
    [
        (lambda: DeformConvNorm(8, 8, 3, 1, "BN"), r"1 \(DeformConvNorm\).*convolution"),
        (lambda: DeformableAttention2D(16, 4), r"1 \(DeformableAttention2D\).*grid_sample"),
    ],
)
def test_what_has_no_fixed_order_is_named(part, named):
    with pytest.raises(ConfigError, match=named):
        check_deterministic(model(part()), GPU)


def test_deformable_attention_needs_its_kernels(monkeypatch):
    attention = model(MultiScaleDeformableAttention(16, 2, 1, 1))
    monkeypatch.setattr(selection, "HAS_TRITON", False)
    with pytest.raises(ConfigError, match="triton is not installed"):
        check_deterministic(attention, GPU)
    monkeypatch.setattr(selection, "HAS_TRITON", True)
    check_deterministic(attention, GPU)
    with pytest.raises(ConfigError, match=r"no torch\.float64"):
        check_deterministic(attention.double(), GPU)


def test_nothing_is_refused_on_a_cpu_or_where_nobody_asks():
    convolution = model(DeformConvNorm(8, 8, 3, 1, "BN"))
    check_deterministic(convolution, Precision(torch.device("cpu")))
    torch.use_deterministic_algorithms(False)
    check_deterministic(convolution, GPU)
