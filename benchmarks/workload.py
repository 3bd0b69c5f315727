"""What the benchmarks of whole models run: a model, a batch, a step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import PACKAGE_FOLDER
from aligndetr.engine.optimizer import parameter_groups
from aligndetr.structures import Boxes, Instances

CONFIGS = {
    "r50": "projects/align_detr/configs/aligndetr_k2_r50_4scale_12ep.py",
    "tiny": "projects/align_detr/configs/aligndetr_tiny.py",
}


def make_model(name: str) -> nn.Module:
    """AlignDETR with ResNet-50 ("r50") or the small one ("tiny"), always with the same weights."""
    config = LazyConfig.load(str(PACKAGE_FOLDER / CONFIGS[name]))
    config.model.num_classes = 80
    torch.manual_seed(0)
    return instantiate(config.model)


def make_batch(batch_size: int, pixels: int, num_objects: int = 8) -> list[dict]:
    """Square images of noise with objects of all sizes."""
    generator = torch.Generator().manual_seed(0)
    items = []
    for _ in range(batch_size):
        corner = torch.rand(num_objects, 2, generator=generator) * pixels * 0.6
        size = torch.rand(num_objects, 2, generator=generator) * pixels * 0.3 + 8
        instances = Instances(
            (pixels, pixels),
            gt_boxes=Boxes(torch.cat([corner, corner + size], dim=1)),
            gt_classes=torch.randint(0, 80, (num_objects,), generator=generator),
        )
        image = torch.randint(0, 256, (3, pixels, pixels), dtype=torch.uint8, generator=generator)
        items.append({"image": image, "instances": instances})
    return items


def evaluation(model: nn.Module, batch: list[dict], bf16: bool = False) -> Callable[[], object]:
    """Detection in one batch."""

    def run() -> object:
        model.eval()
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return model(batch)

    return run


def training(
    model: nn.Module, batch: list[dict], bf16: bool = False, **adamw: bool
) -> Callable[[], object]:
    """Forward, backward, gradient clipping and AdamW's step, `fused` unless `adamw` says else."""
    groups = parameter_groups(model, 1e-6, weight_decay_norm=0.0, lr_factor={"backbone": 0.1})
    optimizer = torch.optim.AdamW(groups, lr=1e-6, weight_decay=1e-4, **(adamw or {"fused": True}))
    parameters = [parameter for group in groups for parameter in group["params"]]

    def run() -> object:
        model.train()
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            losses = model(batch)
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_(parameters, 0.1)
        optimizer.step()
        optimizer.zero_grad()
        return losses

    return run
