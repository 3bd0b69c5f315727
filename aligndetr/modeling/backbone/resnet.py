"""Residual networks (He et al., Deep Residual Learning for Image Recognition, 2016)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from aligndetr.layers.norm import folded_together, freeze_batch_norm
from aligndetr.modeling.backbone.blocks import BasicBlock, BottleneckBlock, Stem, strided_shortcut
from aligndetr.modeling.backbone.registry import BACKBONES

BLOCKS_PER_STAGE = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
STAGES = ("res2", "res3", "res4", "res5")
BOTTLENECK_EXPANSION = 4
UNDILATED = (1, 1)


@BACKBONES.register()
class ResNet(nn.Module):
    """ResNet that returns the feature maps of chosen stages.

    Args:
        depth: 18, 34 (basic blocks), 50, 101 or 152 (bottlenecks); table 1 of the paper.
        width: channels of the stem; the paper's networks have 64.
        norm: "FrozenBN", "BN", "SyncBN" or "GN".
        freeze_at: train nothing of the first so many parts: 0 freezes nothing, 1 the stem,
            2 the stem and res2, ..., 5 everything. Their batch norms become constants.
        out_features: names among "stem", "res2", ..., "res5"; later stages are not built.
        stride_in_1x1: where bottlenecks reduce the resolution; True for MSRA and Caffe2 weights.
        in_channels: channels of the image.
        stem: (in_channels, width, norm) -> module of stride 4; `DeepStem` for ResNet-D.
        shortcut: (in_channels, out_channels, stride, norm) -> module or None, for the first block
            of each stage; `PooledShortcut` for ResNet-D.
        deform_stages: names among "res2", ..., "res5": every block's second convolution is there a
            modulated deformable one (Deformable ConvNets v2, which has them in res3 to res5), with
            the parameters `conv2` and `conv2_offset` of detectron2's checkpoints. Classifier
            weights leave `conv2_offset` at its start, zero.
        deform_groups: groups of channels that move together in them.
        res5_dilation: of the 3x3 convolutions in the first and in the further bottlenecks of res5.
            Unless both are 1, res5 keeps the resolution of res4, stride 16 ("DC5"): (1, 2) as in
            DETR and torchvision, (2, 2) as in detectron2. Weights are the same.

    Attributes:
        channels: channels of each output by name.
        strides: input pixels per output pixel, by name.

    Raises:
        ValueError: unknown depth, norm, output name, freeze_at, deformable stage or dilation.
    """

    def __init__(
        self,
        depth: int = 50,
        width: int = 64,
        norm: str = "FrozenBN",
        freeze_at: int = 1,
        out_features: Sequence[str] = ("res3", "res4", "res5"),
        stride_in_1x1: bool = False,
        in_channels: int = 3,
        stem: Callable[..., nn.Module] = Stem,
        shortcut: Callable[..., nn.Module | None] = strided_shortcut,
        deform_stages: Sequence[str] = (),
        deform_groups: int = 1,
        res5_dilation: Sequence[int] = UNDILATED,
    ):
        super().__init__()
        _check(depth, freeze_at, out_features)
        _check_dilation(depth, res5_dilation)
        last = max(("stem", *STAGES).index(name) for name in out_features)
        self.stage_names = STAGES[:last]
        _check_deformable(deform_stages, deform_groups, self.stage_names)
        self.out_features = tuple(out_features)
        start: Any = stem(in_channels, width, norm)
        self.stem: nn.Module = start
        channels, strides = {"stem": width}, {"stem": start.stride}
        previous = width
        for index, name in enumerate(self.stage_names):
            dilation = tuple(res5_dilation) if name == "res5" else UNDILATED
            stride = 1 if index == 0 or dilation != UNDILATED else 2
            inner = width * 2**index
            out = inner if depth < 50 else inner * BOTTLENECK_EXPANSION
            groups = deform_groups if name in deform_stages else 0
            first = block = partial(BasicBlock, out_channels=out, norm=norm, deform_groups=groups)
            if depth >= 50:
                shape = {"inner_channels": inner, "stride_in_1x1": stride_in_1x1}
                first, block = (
                    partial(BottleneckBlock, **shape, **block.keywords, dilation=taps)
                    for taps in dilation
                )
            short = shortcut(previous, out, stride, norm)
            blocks = [first(previous, stride=stride, shortcut=short)]
            blocks += [block(out, stride=1) for _ in range(1, BLOCKS_PER_STAGE[depth][index])]
            self.add_module(name, nn.Sequential(*blocks))
            strides[name] = stride * strides[("stem", *STAGES)[index]]
            previous = channels[name] = out
        self.channels = {name: channels[name] for name in self.out_features}
        self.strides = {name: strides[name] for name in self.out_features}
        for name in ("stem", *self.stage_names)[:freeze_at]:
            freeze_batch_norm(getattr(self, name)).requires_grad_(False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Compute the chosen feature maps.

        Args:
            images: (B,in_channels,H,W), normalised.

        Returns:
            name -> (B, channels[name], ceil(H / strides[name]), ceil(W / strides[name])).
        """
        with folded_together(self):
            x = self.stem(images)
            maps = {"stem": x}
            for name in self.stage_names:
                maps[name] = x = getattr(self, name)(x)
        return {name: maps[name] for name in self.out_features}


def _check(depth: int, freeze_at: int, out_features: Sequence[str]) -> None:
    if depth not in BLOCKS_PER_STAGE:
        depths = ", ".join(map(str, BLOCKS_PER_STAGE))
        raise ValueError(f"no ResNet of depth {depth}: choose one of {depths}")
    unknown = [name for name in out_features if name not in ("stem", *STAGES)]
    if unknown or not out_features:
        raise ValueError(f"out_features {list(out_features)}: give names among stem, res2..res5")
    if not 0 <= freeze_at <= 5:
        raise ValueError(f"freeze_at is {freeze_at}: give 0 (nothing) to 5 (stem and res2..res5)")


def _check_dilation(depth: int, dilation: Sequence[int]) -> None:
    if tuple(dilation) not in (UNDILATED, (1, 2), (2, 2)):
        raise ValueError(f"res5_dilation is {list(dilation)}: give [1, 1], [1, 2] or [2, 2]")
    if tuple(dilation) != UNDILATED and depth < 50:
        raise ValueError(f"a ResNet of depth {depth} has no bottlenecks for res5_dilation")


def _check_deformable(stages: Sequence[str], groups: int, built: Sequence[str]) -> None:
    unknown = [name for name in stages if name not in built]
    if unknown:
        raise ValueError(f"deform_stages {unknown}: give names among {', '.join(built)}")
    if groups < 1:
        raise ValueError(f"deform_groups is {groups}: give 1 or more")
