"""A detector whose encoder attends to moved points of each level: padding, training, files."""

import pytest
import torch
from torch import nn

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.layers.mlp import FeedForward
from aligndetr.layers.position_embedding import SinePositionEmbedding
from aligndetr.modeling.encoder import Encoder, EncoderLayer
from aligndetr.modeling.pyramid import PyramidBuilder
from aligndetr.projects.deformable_attention_2d.attention import (
    DeformableAttention2D,
    PerLevelAttention,
)
from aligndetr.structures import Boxes, Instances

STRIDES = (8, 16)


def make_detector(*overrides):
    config = LazyConfig.load(resolve_config("dino_dat_tiny"))
    LazyConfig.apply_overrides(config, ["model.num_classes=5", *overrides])
    torch.manual_seed(0)
    return instantiate(config.model)


def make_item(height=64, width=64, seed=0):
    """One image with two objects, in detectron2's format."""
    generator = torch.Generator().manual_seed(seed)
    boxes = torch.tensor([[0.1, 0.2, 0.5, 0.6], [0.4, 0.1, 0.9, 0.5]])
    instances = Instances(
        (height, width),
        gt_boxes=Boxes(boxes * torch.tensor([width, height] * 2)),
        gt_classes=torch.tensor([0, 3]),
    )
    pixels = torch.randint(0, 256, (3, height, width), generator=generator).byte()
    return {"image": pixels, "height": height, "width": width, "instances": instances}


def make_encoder(dim=8):
    torch.manual_seed(0)
    attention = DeformableAttention2D(dim, 4, 2, stride=2, kernel_size=4, bias_dim=4)
    layer = EncoderLayer(PerLevelAttention(attention), FeedForward(dim, 16), dim)
    pyramid = PyramidBuilder(SinePositionEmbedding(dim // 2, offset=-0.5), 2, dim)
    parts = nn.ModuleList([pyramid, Encoder(layer, 2)]).double()
    with torch.no_grad():
        for parameter in parts.parameters():
            parameter.normal_().mul_(0.5)
    return parts


def encode(parts, levels, padding, is_padded):
    pyramid, encoder = parts
    flat = pyramid(levels, padding, is_padded)
    return flat.maps(encoder(flat))


def test_an_image_in_a_padded_batch_is_encoded_as_alone():
    """Given the same feature maps, that is: a backbone's convolutions look over the border."""
    parts, sizes = make_encoder(), [(64, 96), (48, 80), (80, 16)]
    padding = torch.ones(3, 80, 96, dtype=torch.bool)
    for mask, (height, width) in zip(padding, sizes, strict=True):
        mask[:height, :width] = False
    levels = [torch.randn(3, 8, 80 // s, 96 // s).double() for s in STRIDES]
    together = encode(parts, levels, padding, True)
    for i, (height, width) in enumerate(sizes):
        cut = [
            x[i : i + 1, :, : height // s, : width // s]
            for x, s in zip(levels, STRIDES, strict=True)
        ]
        alone = encode(parts, cut, padding.new_zeros(1, height, width), False)
        for ours, expected in zip(together, alone, strict=True):
            ours = ours[i : i + 1, :, : expected.shape[2], : expected.shape[3]]
            torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)


def test_layers_have_weights_of_their_own():
    encoder = make_detector("model.encoder.num_layers=2").encoder
    first, second = (layer.self_attention.attention for layer in encoder.layers)
    assert not torch.equal(first.query_proj.weight, second.query_proj.weight)
    for attention in (first, second):
        assert 0.005 < attention.offset_network.offset.weight.std() < 0.02


@pytest.mark.parametrize("sizes", [[(64, 64), (64, 64)], [(96, 64), (40, 130)]])
def test_one_step_and_one_evaluation(sizes):
    model = make_detector().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    items = [make_item(*size, seed=seed) for seed, size in enumerate(sizes)]
    before = {name: p.clone() for name, p in model.encoder.named_parameters()}
    sum(model(items).values()).backward()
    optimizer.step()
    assert all(p.grad is not None for p in model.parameters())
    still = [name for name, p in model.encoder.named_parameters() if torch.equal(p, before[name])]
    assert still == []
    with torch.no_grad():
        results = model.eval()(items)
    assert len(results) == 2
    for result, (height, width) in zip(results, sizes, strict=True):
        boxes = result["instances"].pred_boxes.tensor
        assert len(boxes) == 100
        assert boxes.isfinite().all()
        assert boxes[:, 0::2].max() <= width
        assert boxes[:, 1::2].max() <= height


def test_weights_survive_a_file(tmp_path):
    model = make_detector().eval()
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.normal_().mul_(0.1)
    torch.save(model.state_dict(), tmp_path / "model.pth")
    again = make_detector().eval()
    again.load_state_dict(torch.load(tmp_path / "model.pth", weights_only=True))
    item = make_item()
    ours, expected = (m([item])[0]["instances"] for m in (again, model))
    assert torch.equal(ours.scores, expected.scores)
    assert torch.equal(ours.pred_boxes.tensor, expected.pred_boxes.tensor)
