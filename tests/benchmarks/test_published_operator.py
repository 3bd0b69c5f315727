"""The way to the published CUDA operator, with a module that stands in for it."""

import sys
import types

import torch

from aligndetr.layers.ms_deform_attn.reference import sample_reference
from benchmarks.published_operator import MODULE, published, published_module

LEVELS = [(3, 2), (2, 1)]


def compute(value, shapes, starts, locations, weights):
    assert starts.tolist() == [0, 6]  # 3 x 2 tokens come first
    return sample_reference(value, [tuple(s) for s in shapes.tolist()], locations, weights)


def forward(*arguments):
    *tensors, step = arguments
    assert step == 64
    return compute(*tensors)


def backward(value, shapes, starts, locations, weights, gradient, step):
    leaves = [t.detach().requires_grad_() for t in (value, locations, weights)]
    with torch.enable_grad():
        out = compute(leaves[0], shapes, starts, *leaves[1:])
    return torch.autograd.grad(out, leaves, gradient)


def test_values_and_gradients_go_through_the_module(monkeypatch):
    stands_in = types.ModuleType(MODULE)
    stands_in.ms_deform_attn_forward, stands_in.ms_deform_attn_backward = forward, backward
    monkeypatch.setitem(sys.modules, MODULE, stands_in)
    torch.manual_seed(0)
    inputs = [torch.rand(1, 8, 2, 4), torch.rand(1, 5, 2, 2, 3, 2), torch.rand(1, 5, 2, 2, 3)]
    inputs = [tensor.double().requires_grad_() for tensor in inputs]
    ours = sample_reference(inputs[0], LEVELS, *inputs[1:])
    theirs = published(published_module(), inputs[0], LEVELS, *inputs[1:])
    assert torch.equal(theirs, ours)
    gradient = torch.rand_like(ours)
    expected = torch.autograd.grad(ours, inputs, gradient)
    found = torch.autograd.grad(theirs, inputs, gradient)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_it_is_not_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, MODULE, None)  # as if it were not installed
    assert published_module() is None
