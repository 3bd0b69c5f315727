"""The multi-scale deformable attention operator and its gradients."""

from __future__ import annotations

import torch

from aligndetr.layers.ms_deform_attn import ms_deform_attn
from tests.parity.golden import for_each, numbered


@for_each("msda_core*.npz", cases=numbered)
def test_double_output_and_gradients(case, compare):
    value, locations, weights = (case[name].requires_grad_() for name in ("value", "loc", "attn"))
    out = ms_deform_attn(value, case.shape_pairs("shapes"), locations, weights)
    out.backward(case["grad_out"])
    compare("output", out, case["out"], atol=1e-10, rtol=1e-10)
    compare("gradient of value", value.grad, case["grad_value"], atol=1e-10, rtol=1e-10)
    compare("gradient of weights", weights.grad, case["grad_attn"], atol=1e-10, rtol=1e-10)
    # Bilinear weights have a kink at integer pixel coordinates: one-sided derivatives there.
    smooth, expected = case["grad_loc_valid"], case["grad_loc"]
    compare("gradient of locations", locations.grad, expected, atol=1e-9, rtol=1e-9, where=smooth)


@for_each("msda_core*.npz", cases=numbered)
def test_float32_output(case, compare):
    value, locations, weights = (case[name].float() for name in ("value", "loc", "attn"))
    out = ms_deform_attn(value, case.shape_pairs("shapes"), locations, weights)
    assert out.dtype == torch.float32
    compare("output (float32)", out, case["out_f32"], atol=5e-5, rtol=1e-5)
