"""The deformable attention module: projections, padding, reference points and boxes."""

from __future__ import annotations

from torch import Tensor

from aligndetr.layers.deformable_attention import MultiScaleDeformableAttention
from tests.parity.golden import fill_like, for_each, numbered


@for_each("msda_module*.npz", cases=numbered)
def test_output_and_gradients(case, compare):
    *sizes, batch_first = case.ints("config")
    module = MultiScaleDeformableAttention(*sizes).eval()
    fill_like(module)
    leaves = {
        name: case[name].requires_grad_()
        for name in ("query", "value", "reference_points")
        if name in case
    }

    def ours(tensor: Tensor) -> Tensor:
        """Batch first."""
        return tensor if batch_first else tensor.transpose(0, 1)

    query = leaves["query"]
    attended = module(
        ours(query),
        leaves["reference_points"],
        ours(leaves.get("value", query)),
        case.shape_pairs("spatial_shapes"),
        case.get("key_padding_mask"),
        ours(case["query_pos"]) if "query_pos" in case else None,
    )
    residual = case.get("identity", query)
    out = ours(attended) + residual  # the same swap leads back
    out.backward(case["grad_out"])

    compare("output", out, case["out"], atol=1e-9, rtol=1e-9)
    for name, leaf in leaves.items():
        compare(f"gradient of {name}", leaf.grad, case[f"grad_{name}"], atol=1e-9, rtol=1e-9)
    parameters = dict(module.named_parameters())
    compare.equal(
        "parameter names",
        sorted(parameters),
        sorted(name.removeprefix("pgrad.") for name in case.names if name.startswith("pgrad.")),
    )
    for name, parameter in parameters.items():
        compare(
            "gradients of parameters",
            parameter.grad,
            case[f"pgrad.{name}"],
            atol=1e-9,
            rtol=1e-9,
        )
