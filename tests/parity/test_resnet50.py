"""ResNet-50 with frozen batch norms, its outputs and the gradients of its weights."""

from __future__ import annotations

import torch

from aligndetr.modeling.backbone.resnet import ResNet
from tests.parity.golden import fill_like, for_each

LEVELS = ("res2", "res3", "res4", "res5")
PIXEL_MEAN = torch.tensor([123.675, 116.28, 103.53], dtype=torch.float64)[:, None, None]
PIXEL_STD = torch.tensor([58.395, 57.12, 57.375], dtype=torch.float64)[:, None, None]


@for_each("resnet50*.npz")
def test_outputs_and_gradients(case, compare):
    backbone = ResNet(depth=50, norm="FrozenBN", freeze_at=1, out_features=LEVELS)
    state = {key: tuple(value.shape) for key, value in backbone.state_dict().items()}
    compare.equal(
        "parameter names and shapes",
        sorted(f"{key}:{shape}" for key, shape in state.items()),
        sorted(case["keys"]),
    )
    fill_like(backbone)
    levels = backbone(((case["image"].double() - PIXEL_MEAN) / PIXEL_STD)[None])
    for name in LEVELS:
        x = levels[name].detach()
        compare.equal("shapes", list(x.shape), case.ints(f"{name}_shape"))
        summary = torch.stack([x.mean(), x.std(), x.abs().max()])
        expected = [case[f"{name}_{what}"] for what in ("mean", "std", "absmax")]
        compare("mean, std, largest value", summary, expected, atol=1e-9, rtol=1e-9)
        compare("channel means", x.mean((0, 2, 3)), case[f"{name}_chmean"], atol=1e-9)
        compare("values", x[0, ::16, ::3, ::3], case[f"{name}_slice"], atol=1e-9, rtol=1e-9)

    loss = sum(levels[name].square().mean() for name in LEVELS[1:])
    loss.backward()
    compare("loss", loss, case["loss"], atol=1e-9)
    norms = {n: p.grad.norm() for n, p in backbone.named_parameters() if p.requires_grad}
    compare.equal("trained parameters", sorted(norms), sorted(case["grad_names"]))
    frozen = [n for n, p in backbone.named_parameters() if not p.requires_grad]
    compare.equal("frozen parameters", sorted(frozen), sorted(case["nograd_names"]))
    ours = torch.stack([norms[name] for name in case["grad_names"]])
    compare("gradient norms of parameters", ours, case["grad_norms"], atol=1e-9, rtol=1e-9)
