"""The attention module: its start, its use of padding and positions, and its gradients."""

import pytest
import torch

from aligndetr.layers.deformable_attention import MultiScaleDeformableAttention
from aligndetr.layers.ms_deform_attn import use_implementation

SHAPES = [(3, 4), (2, 2)]


def make_module(num_heads=4, num_points=2, seed=0):
    torch.manual_seed(seed)
    module = MultiScaleDeformableAttention(8, num_heads, len(SHAPES), num_points).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module


def make_arguments(reference_size=2):
    torch.manual_seed(1)
    query, value = torch.randn(2, 5, 8).double(), torch.randn(2, 16, 8).double()
    return query, torch.rand(2, 5, 2, reference_size).double(), value


def test_starts_with_points_that_walk_away():
    module = MultiScaleDeformableAttention(8, 4, 2, 3)
    bias = module.sampling_offsets.bias.view(4, 2, 3, 2)
    # Four heads look right, down, left and up (y grows downwards); point i is i + 1 steps away.
    directions = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    for level in range(2):
        for i in range(3):
            torch.testing.assert_close(bias[:, level, i], directions * (i + 1), atol=1e-6, rtol=0)
    assert not module.sampling_offsets.weight.any()
    assert not module.attention_weights.weight.any()
    assert not module.attention_weights.bias.any()


def test_diagonal_heads_reach_the_corners():
    bias = MultiScaleDeformableAttention(8, 8, 1, 1).sampling_offsets.bias.view(8, 2)
    torch.testing.assert_close(bias[1], torch.tensor([1.0, 1.0]))  # not (0.71, 0.71)


def test_padding_counts_as_zero():
    module, (query, reference, value) = make_module(), make_arguments()
    padding = torch.rand(2, 16) < 0.4
    out = module(query, reference, value, SHAPES, padding)
    changed = torch.where(padding[..., None], 1e3, value)
    torch.testing.assert_close(module(query, reference, changed, SHAPES, padding), out)
    assert not torch.allclose(module(query, reference, value, SHAPES, None), out)


def test_position_moves_the_points_only():
    module, (query, reference, value) = make_module(), make_arguments()
    position = torch.randn_like(query)
    out = module(query, reference, value, SHAPES, None, query_pos=position)
    torch.testing.assert_close(module(query + position, reference, value, SHAPES, None), out)


@pytest.mark.parametrize("reference_size", [2, 4])
def test_default_implementation_agrees_with_reference(reference_size):
    module, arguments = make_module(), make_arguments(reference_size)
    leaves = [tensor.requires_grad_() for tensor in arguments]
    results = []
    for name in (None, "reference"):
        with use_implementation(name):
            out = module(*leaves, SHAPES, None)
        weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
        wanted = [*leaves, *module.parameters()]
        results.append([out, *torch.autograd.grad((out * weights).sum(), wanted)])
    for ours, exact in zip(*results, strict=True):
        torch.testing.assert_close(ours, exact, atol=1e-11, rtol=1e-11)


def test_reference_without_gradient():
    module, (query, reference, value) = make_module(), make_arguments()
    module(query, reference, value, SHAPES, None).sum().backward()
    assert reference.grad is None
    assert module.sampling_offsets.weight.grad.abs().sum() > 0


def test_runs_under_autocast():
    module = MultiScaleDeformableAttention(8, 4, 2, 2)
    query, reference, value = (tensor.float() for tensor in make_arguments(4))
    expected = module(query, reference, value, SHAPES, None)
    with torch.autocast("cpu", torch.bfloat16):
        out = module(query, reference, value, SHAPES, None)
    torch.testing.assert_close(out.float(), expected, atol=0.05, rtol=0.05)
    out.float().sum().backward()
    assert module.value_proj.weight.grad.isfinite().all()


def test_heads_must_divide_the_dimension():
    with pytest.raises(ValueError, match="embed_dim 10 is not divisible by num_heads 4"):
        MultiScaleDeformableAttention(10, 4, 2, 2)
