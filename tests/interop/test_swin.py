"""Swin weights under their authors' names, against Swin written down from the paper."""

import pytest
import torch
from torch.nn import functional as F

from aligndetr.interop import load_checkpoint
from aligndetr.interop.renaming import export_state
from aligndetr.interop.sources import DETREX, microsoft_swin
from aligndetr.interop.sources.source import Source
from aligndetr.modeling.backbone import TransformersBackbone

pytest.importorskip("transformers")

DEPTHS, HEADS, WIDTH, WINDOW = (2, 2, 2), (1, 2, 4), 8, 4
SIZES = {
    "embed_dim": WIDTH,
    "depths": list(DEPTHS),
    "num_heads": list(HEADS),
    "window_size": WINDOW,
    "image_size": 64,
}


def checkpoint():
    """Random weights with the published names and shapes."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"patch_embed.proj.weight": (WIDTH, 3, 4, 4), "patch_embed.proj.bias": (WIDTH,)}

    def linear(name, inputs, outputs):
        shapes.update({f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)})

    def norm(name, width):
        shapes.update({f"{name}.weight": (width,), f"{name}.bias": (width,)})

    norm("patch_embed.norm", WIDTH)
    for stage, (depth, heads) in enumerate(zip(DEPTHS, HEADS, strict=True)):
        width = WIDTH * 2**stage
        for index in range(depth):
            block = f"layers.{stage}.blocks.{index}"
            norm(f"{block}.norm1", width)
            linear(f"{block}.attn.qkv", width, 3 * width)
            linear(f"{block}.attn.proj", width, width)
            table = f"{block}.attn.relative_position_bias_table"
            shapes[table] = ((2 * WINDOW - 1) ** 2, heads)
            norm(f"{block}.norm2", width)
            linear(f"{block}.mlp.fc1", width, 4 * width)
            linear(f"{block}.mlp.fc2", 4 * width, width)
        if stage < len(DEPTHS) - 1:
            norm(f"layers.{stage}.downsample.norm", 4 * width)
            shapes[f"layers.{stage}.downsample.reduction.weight"] = (2 * width, 4 * width)
        norm(f"norm{stage}", width)
    return {name: torch.randn(shape, generator=generator) * 0.3 for name, shape in shapes.items()}


class Reference:
    """Swin (Liu et al., 2021, section 3) with attention over all tokens and a mask of windows."""

    def __init__(self, tensors):
        self.tensors = tensors

    def __call__(self, images):
        t = self.tensors
        x = F.conv2d(images, t["patch_embed.proj.weight"], t["patch_embed.proj.bias"], stride=4)
        x = self.norm("patch_embed.norm", x.permute(0, 2, 3, 1))
        for stage, depth in enumerate(DEPTHS):
            for index in range(depth):
                block = f"layers.{stage}.blocks.{index}"
                normed = self.norm(f"{block}.norm1", x)
                x = x + self.attention(f"{block}.attn", normed, HEADS[stage], index % 2)
                hidden = F.gelu(self.linear(f"{block}.mlp.fc1", self.norm(f"{block}.norm2", x)))
                x = x + self.linear(f"{block}.mlp.fc2", hidden)
            yield self.norm(f"norm{stage}", x).permute(0, 3, 1, 2)
            if stage < len(DEPTHS) - 1:  # the four neighbours column by column
                corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
                merged = self.norm(f"layers.{stage}.downsample.norm", torch.cat(corners, -1))
                x = merged @ t[f"layers.{stage}.downsample.reduction.weight"].T

    def norm(self, name, x):
        weight = self.tensors[f"{name}.weight"]
        return F.layer_norm(x, weight.shape, weight, self.tensors[f"{name}.bias"])

    def linear(self, name, x):
        return F.linear(x, self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"])

    def attention(self, name, x, heads, is_shifted):
        batch, rows, columns, width = x.shape
        shift = WINDOW // 2 if is_shifted else 0
        tokens = x.flatten(1, 2)
        joint = self.linear(f"{name}.qkv", tokens)
        query, key, value = joint.view(batch, -1, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        # Where a token is after the image was rolled up and left, and whether it was wrapped.
        row = (torch.arange(rows) - shift).remainder(rows).repeat_interleave(columns)
        column = (torch.arange(columns) - shift).remainder(columns).repeat(rows)
        group = torch.stack(
            [row // WINDOW, column // WINDOW, row >= rows - shift, column >= columns - shift]
        )
        together = (group[:, :, None] == group[:, None, :]).all(0)
        down, right = (p[:, None] - p[None, :] + WINDOW - 1 for p in (row, column))
        index = (down * (2 * WINDOW - 1) + right).where(together, torch.tensor(0))
        bias = self.tensors[f"{name}.relative_position_bias_table"][index].permute(2, 0, 1)
        scores = query @ key.transpose(-1, -2) / (width // heads) ** 0.5 + bias
        mixed = scores.masked_fill(~together, float("-inf")).softmax(-1) @ value
        mixed = mixed.transpose(1, 2).reshape(x.shape)
        return self.linear(f"{name}.proj", mixed)


@pytest.fixture
def backbone():
    return TransformersBackbone("swin", ["stage1", "stage2", "stage3"], config=SIZES).eval()


def test_a_published_backbone_computes_the_same(backbone, tmp_path):
    tensors = checkpoint()
    content = dict(tensors)
    content["norm.weight"] = content["head.weight"] = torch.zeros(2)  # of the classifier
    content["layers.0.blocks.1.attn_mask"] = torch.zeros(4, 16, 16)
    content["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(16, 16)
    torch.save({"model": content}, tmp_path / "swin.pth")
    report = load_checkpoint(backbone, tmp_path / "swin.pth", strict=True)
    assert report.is_complete
    # Every map is a multiple of the window: the reference does not pad.
    images = torch.randn(1, 3, 64, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for level, expected in zip(
            backbone(images).values(), Reference(tensors)(images), strict=True
        ):
            torch.testing.assert_close(level, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("source, prefix", [(microsoft_swin.SOURCE, ""), (DETREX, "backbone.")])
def test_there_and_back(source: Source, prefix, backbone, tmp_path):
    tensors = {prefix + name: tensor for name, tensor in checkpoint().items()}
    ours = {f"{prefix}{name}": tensor for name, tensor in backbone.state_dict().items()}
    theirs = export_state(ours, source)
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    assert {name: tensor.shape for name, tensor in theirs.items()} == shapes
    # All of one file, through our names, into another file.
    torch.save(
        {"model": {n.removeprefix(prefix): t for n, t in tensors.items()}}, tmp_path / "a.pth"
    )
    load_checkpoint(backbone, tmp_path / "a.pth", strict=True)
    ours = {f"{prefix}{name}": tensor for name, tensor in backbone.state_dict().items()}
    again = export_state(ours, source)
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())
