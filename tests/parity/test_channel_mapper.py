"""The neck: inputs of several levels to a pyramid of one width."""

from __future__ import annotations

import torch
from torch import nn

from aligndetr.modeling.necks import ChannelMapper
from tests.parity.golden import fill_like, for_each, numbered


@for_each("channel_mapper*.npz", cases=numbered)
def test_outputs_and_gradients(case, compare):
    *widths, out_channels, num_outs, kernel_size, num_groups, relu = case.ints("config")
    neck = ChannelMapper(
        {f"f{index}": width for index, width in enumerate(widths)},
        out_channels,
        num_outs,
        kernel_size,
        num_groups,
        nn.ReLU() if relu else None,
    )
    fill_like(neck)
    ours = [f"{key}:{tuple(value.shape)}" for key, value in neck.state_dict().items()]
    compare.equal("parameter names and shapes", sorted(ours), sorted(case["keys"]))

    inputs = [case[f"in{index}"].requires_grad_() for index in range(len(widths))]
    outputs = neck({f"f{index}": x for index, x in enumerate(inputs)})
    torch.autograd.backward(outputs, [case[f"gout{index}"] for index in range(num_outs)])
    for index, output in enumerate(outputs):
        compare("outputs", output, case[f"out{index}"], atol=1e-9, rtol=1e-9)
    for index, x in enumerate(inputs):
        compare("gradients of inputs", x.grad, case[f"gin{index}"], atol=1e-9, rtol=1e-9)
    for name, parameter in neck.named_parameters():
        compare(
            "gradient norms of parameters",
            parameter.grad.norm(),
            case[f"pgradnorm.{name}"],
            atol=1e-9,
            rtol=1e-9,
        )
