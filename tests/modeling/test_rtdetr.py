"""RT-DETR's own parts: ResNet-D, hybrid encoder, token queries, gradients, early exit, losses."""

import math

import pytest
import torch
from torch import nn

from aligndetr.config import LazyConfig, get_config, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.layers.attention import SelfAttention
from aligndetr.layers.mlp import FeedForward
from aligndetr.layers.position_embedding import PixelSineEmbedding
from aligndetr.modeling.backbone import ResNet
from aligndetr.modeling.backbone.blocks import ConvNorm, DeepStem, PooledShortcut
from aligndetr.modeling.encoder import DenseEncoderLayer
from aligndetr.modeling.hybrid_encoder import HybridEncoder
from aligndetr.modeling.necks import ProjectionNeck
from aligndetr.modeling.pyramid import PlainPyramidBuilder


@pytest.fixture
def make_rtdetr():
    """The tiny config, smaller still; `change` may edit it."""

    def make(change=lambda model: None):
        torch.manual_seed(0)
        config = LazyConfig.load(resolve_config("configs/models/rtdetr_tiny.py")).model
        config.num_classes, config.num_queries, config.embed_dim = 5, 12, 16
        config.backbone.width = 8
        config.neck.in_channels = {"res3": 16, "res4": 32, "res5": 64}
        config.encoder.position_embedding.num_features = 8
        change(config)
        model = instantiate(config)
        with torch.no_grad():  # zero-initialised layers would hide much
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.05)
        return model

    return make


def test_pooled_shortcut_by_hand():
    shortcut = PooledShortcut(1, 1, stride=2, norm="FrozenBN").double()
    nn.init.constant_(shortcut.weight, 3.0)
    x = torch.arange(9.0).view(1, 1, 3, 3).double()
    # means of 0 1 3 4, of 2 5, of 6 7 and of 8: no pixel is lost, as a strided kernel would
    expected = torch.tensor([[2.0, 3.5], [6.5, 8.0]]).double() * 3 / math.sqrt(1 + 1e-5)
    torch.testing.assert_close(shortcut(x)[0, 0], expected)
    assert PooledShortcut(1, 1, stride=1, norm="BN")(x.float()).shape == x.shape


def test_resnet_d_projects_in_the_first_block_of_each_stage():
    arguments = dict(width=8, norm="BN", freeze_at=0, stem=DeepStem, shortcut=PooledShortcut)
    model = ResNet(18, **arguments)
    for stage, pooling in (("res2", 1), ("res3", 2), ("res4", 2), ("res5", 2)):
        first, second = getattr(model, stage)
        assert first.shortcut.pooling == pooling
        assert second.shortcut is None
    assert model.stem.conv1.weight.shape == (4, 3, 3, 3)
    assert model.stem.conv3.weight.shape == (8, 4, 3, 3)
    shapes = {name: tuple(x.shape[1:]) for name, x in model(torch.randn(1, 3, 70, 45)).items()}
    # 70 -> 35 -> 18 -> 9 -> 5 -> 3 and 45 -> 23 -> 12 -> 6 -> 3 -> 2, halves rounded up
    assert shapes == {"res3": (16, 9, 6), "res4": (32, 5, 3), "res5": (64, 3, 2)}
    plain = ResNet(18, width=8)
    assert plain.res2[0].shortcut is None
    assert type(plain.res3[0].shortcut) is ConvNorm


def test_pixel_embedding_by_hand():
    embedding = PixelSineEmbedding(num_features=4, temperature=100.0)
    table = embedding(torch.zeros(1, 3, 2, dtype=torch.bool), torch.float64)
    assert table.shape == (1, 3, 2, 8)
    # row 2, column 1; wavelength factors 1 and 100 ** (1 / 2) = 10
    row = [math.sin(2), math.sin(0.2), math.cos(2), math.cos(0.2)]
    column = [math.sin(1), math.sin(0.1), math.cos(1), math.cos(0.1)]
    assert table[0, 2, 1].tolist() == pytest.approx(row + column)


def make_encoder(num_levels, dim=8):
    torch.manual_seed(0)
    layer = DenseEncoderLayer(SelfAttention(dim, 2), FeedForward(dim, 16), dim)
    encoder = HybridEncoder(layer, 1, PixelSineEmbedding(dim // 2), dim, num_levels, 0.5)
    return encoder.double().eval()


def flat(levels, padding=None):
    batch, height, width = len(levels[0]), 64, 64
    if padding is None:
        return PlainPyramidBuilder()(levels, torch.zeros(batch, height, width).bool(), False)
    return PlainPyramidBuilder()(levels, padding, True)


def test_every_level_hears_of_every_other_also_at_odd_sizes():
    encoder = make_encoder(3)
    shapes = [(7, 9), (4, 5), (2, 3)]
    levels = [torch.randn(1, 8, *shape).double().requires_grad_() for shape in shapes]
    pyramid = flat(levels)
    outputs = pyramid.maps(encoder(pyramid))
    assert [tuple(x.shape[-2:]) for x in outputs] == shapes
    for output in outputs:
        gradients = torch.autograd.grad(output.sum(), levels, retain_graph=True)
        assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_only_the_coarsest_level_attends():
    encoder = make_encoder(2)
    levels = [torch.randn(1, 8, 8, 8).double().requires_grad_(), torch.randn(1, 8, 4, 4).double()]
    fine, _ = flat(levels).maps(encoder(flat(levels)))
    # top_down has three 3x3 convolutions: what happens in the corner of the fine level is not
    # noticed more than 3 pixels away on the way down
    (gradient,) = torch.autograd.grad(fine[0, :, 0, 0].sum(), levels[0])
    assert gradient[..., :4, :4].abs().sum() > 0
    assert gradient[..., 4:, :].eq(0).all()
    assert gradient[..., :, 4:].eq(0).all()


def test_attention_does_not_see_padding():
    encoder = make_encoder(1)
    padding = torch.zeros(2, 64, 64, dtype=torch.bool)
    padding[0, :, 32:] = True
    level = torch.randn(2, 8, 4, 4).double()
    other = level.clone()
    other[0, :, :, 2:] = 100.0
    first, second = (flat([x], padding) for x in (level, other))
    (before,), (after,) = first.maps(encoder(first)), second.maps(encoder(second))
    torch.testing.assert_close(before[0, :, :, :2], after[0, :, :, :2])
    torch.testing.assert_close(before[1], after[1])
    unmasked = flat([level]), flat([other])
    (before,), (after,) = (p.maps(encoder(p)) for p in unmasked)
    assert not torch.allclose(before[0, :, :, :2], after[0, :, :, :2], atol=1e-3)


def test_neck_names_a_wrong_number_of_levels():
    with pytest.raises(ValueError, match="num_outs is 4, but the 2 levels"):
        ProjectionNeck({"res4": 8, "res5": 8}, 4, num_outs=4)


def touched(module):
    """Whether any gradient arrived."""
    gradients = [p.grad for p in module.parameters()]
    return any(g is not None and bool(g.any()) for g in gradients)


def test_queries_are_the_best_tokens_without_gradient(make_rtdetr, make_item):
    model = make_rtdetr().eval()
    images = model.preprocess([make_item()])
    pyramid = model.pyramid(model.neck(model.backbone(images.pixels)), images.padding, False)
    memory = model.encoder(pyramid)
    queries = model.query_source(memory, pyramid)
    assert not queries.content.requires_grad
    assert not queries.anchors.requires_grad
    features, _ = model.query_source.features(memory, pyramid)
    scores = model.query_source.class_head(features).amax(-1)[0]
    expected = features[0, scores.argsort(descending=True)[:12]]
    torch.testing.assert_close(queries.content[0], expected)
    torch.testing.assert_close(queries.proposals.boxes[0], queries.anchors.sigmoid())
    queries.proposals.boxes.sum().backward()
    assert touched(model.query_source.box_head)
    assert touched(model.encoder)
    assert not touched(model.decoder)


def test_gradients_of_one_layers_boxes(make_rtdetr, make_item):
    model = make_rtdetr(lambda config: config.update(denoiser=None)).train()
    predictions = model.detect(model.preprocess([make_item(), make_item(seed=1)])).predictions
    predictions.boxes[2].sum().backward()
    decoder = model.decoder
    # Layer 2 predicts from what layer 1 moved, with gradient. What layer 1 started from, the move
    # of layer 0, was detached, as were content and anchors of the queries.
    assert [touched(head) for head in decoder.box_heads] == [False, True, True]
    assert [touched(layer) for layer in decoder.layers] == [True, True, True]
    assert not any(touched(head) for head in decoder.class_heads)
    assert not touched(model.query_source)
    assert touched(decoder.position_mlp)  # of detached references, but its weights learn
    assert touched(model.encoder)  # as memory
    assert touched(model.backbone)


def test_the_next_layer_looks_at_detached_references(make_rtdetr, make_item):
    model = make_rtdetr(lambda config: config.update(denoiser=None)).train()
    seen = []
    for layer in model.decoder.layers:
        layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[2]))
    predictions = model.detect(model.preprocess([make_item(), make_item(seed=1)])).predictions
    assert not any(reference.requires_grad for reference in seen)
    for reference, boxes in zip(seen[1:], predictions.boxes, strict=False):
        torch.testing.assert_close(reference[:, :, 0], boxes)
    assert predictions.boxes.requires_grad


@pytest.mark.parametrize("num_boxes", [2, 0])
def test_every_parameter_gets_a_gradient(make_rtdetr, make_item, num_boxes):
    model = make_rtdetr().train()
    losses = model([make_item(num_boxes=num_boxes, seed=seed) for seed in range(2)])
    sum(losses.values()).backward()
    lacking = [name for name, p in model.named_parameters() if p.grad is None]
    # without objects no box is compared; their heads still take part
    assert lacking == []
    assert all(p.grad.isfinite().all() for p in model.parameters())
    names = {"loss_class", "loss_bbox_enc", "loss_giou_1", "loss_class_dn_0"}
    assert names <= set(losses)


def test_early_exit_cuts_layers_at_evaluation_only(make_rtdetr, make_item):
    whole = make_rtdetr(lambda config: config.update(denoiser=None))
    model = make_rtdetr(lambda c: (c.update(denoiser=None), c.decoder.update(eval_idx=0)))
    model.load_state_dict(whole.state_dict())
    items = [make_item(), make_item(seed=1)]
    images = whole.preprocess(items)
    with torch.no_grad():
        for layer in model.decoder.layers[1:]:  # never reached
            for parameter in layer.parameters():
                parameter.fill_(float("nan"))
        cut, full = (m.eval().detect(images).predictions for m in (model, whole))
        assert cut.logits.shape[0] == 1
        assert full.logits.shape[0] == 3
        torch.testing.assert_close(cut.boxes[0], full.boxes[0])
        torch.testing.assert_close(cut.logits[0], full.logits[0])
        assert all(len(result["instances"]) for result in model(items))
        assert model.train().detect(images).predictions.logits.shape[0] == 3


@pytest.mark.parametrize("eval_idx", [3, -4])
def test_an_exit_that_is_not_there_is_named(make_rtdetr, eval_idx):
    with pytest.raises(Exception, match=f"eval_idx is {eval_idx}, but there are 3"):
        make_rtdetr(lambda config: config.decoder.update(eval_idx=eval_idx))


def test_the_align_criterion_plugs_in_by_config(make_rtdetr, make_item):
    def change(config):
        config.criterion = get_config("models/aligndetr_r50.py").model.criterion
        config.criterion.match_num = [2, 2, 2, 1]

    model = make_rtdetr(change).train()
    losses = model([make_item(), make_item(seed=1)])
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert touched(model.backbone)
    plain = make_rtdetr().train()
    plain.load_state_dict(model.state_dict())  # the same parameters: nothing else changed


@pytest.mark.parametrize("batch", [1, 2])
def test_gradients_of_the_encoder(batch):
    """Batch norms next to the flattening of maps: one image alone once had wrong gradients."""
    encoder = make_encoder(2, dim=4).train()
    levels = [torch.randn(batch, 4, *shape).double() for shape in ((4, 3), (2, 2))]
    weight = torch.randn(batch, 16, 4).double()

    def loss(*levels):
        return (encoder(flat(list(levels))) * weight).sum()

    assert torch.autograd.gradcheck(loss, [level.requires_grad_() for level in levels])
