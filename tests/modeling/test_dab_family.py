"""DETR, DAB-DETR and DAB-Deformable-DETR: their pieces by hand, and their shipped tiny models."""

import math

import pytest
import torch
from torch import nn

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.engine.optimizer import parameter_groups
from aligndetr.layers.attention import CrossAttention, SelfAttention
from aligndetr.layers.conditional_attention import (
    ConditionalCrossAttention,
    ConditionalSelfAttention,
    FirstConditionalCrossAttention,
    ModulatedPosition,
)
from aligndetr.layers.mlp import FeedForward
from aligndetr.layers.position_embedding import SinePositionEmbedding
from aligndetr.modeling import (
    FixedCenterAnchors,
    LearnedAnchors,
    LearnedContentAnchors,
    LearnedPositions,
    ModulatedAnchorPosition,
    ScaledAnchorPosition,
)
from aligndetr.modeling.encoder import DenseEncoder, DenseEncoderLayer
from aligndetr.modeling.necks import MapProjection
from aligndetr.modeling.postprocess import ArgmaxPostprocess
from aligndetr.modeling.pyramid import FeatureMap, Pyramid
from aligndetr.modeling.refinement import FixedAnchors, RefinementState

TINY = ["detr_tiny", "dab_detr_tiny", "align_dab_detr_tiny", "dab_deformable_detr_tiny"]


def constant(mlp, value):
    """Make a network answer `value` whatever it is asked."""
    with torch.no_grad():
        mlp.layers[-1].weight.zero_()
        mlp.layers[-1].bias.copy_(torch.as_tensor(value))


def test_modulation_by_hand():
    position = ModulatedAnchorPosition(embed_dim=4)  # two sines a coordinate
    constant(position.scale, 3.0)
    constant(position.size, [0.0, math.log(3)])  # sigmoid: width 1/2, height 3/4
    anchors = torch.tensor([[[0.25, 0.125, 0.2, 0.5]]])
    content = torch.zeros(1, 1, 4)
    # y comes first: sin, cos of 2 pi / 8; then x: sin, cos of 2 pi / 4
    half = math.sqrt(0.5)
    ratio_y, ratio_x = 0.75 / 0.5, 0.5 / 0.2
    expected = torch.tensor([half * ratio_y, half * ratio_y, ratio_x, 0.0])
    first = position(anchors, content, 0)
    assert torch.allclose(first.sine[0, 0], expected, atol=1e-6)  # content does not scale yet
    later = position(anchors, content, 1)
    assert torch.allclose(later.sine[0, 0], 3 * expected, atol=1e-6)
    assert torch.equal(first.embedding, later.embedding)
    assert first.embedding.shape == (1, 1, 4)


def test_content_scales_the_position_from_the_second_layer_on():
    position = ScaledAnchorPosition(embed_dim=4)
    constant(position.scale, 3.0)
    anchors, content = torch.rand(2, 5, 4), torch.randn(2, 5, 4)
    first, later = (position(anchors, content, layer) for layer in (0, 4))
    assert torch.allclose(later, 3 * first)


def test_the_encoder_scales_its_position_by_content():
    seen = []

    class Probe(nn.Module):
        def forward(self, x, position, padding):
            seen.append(position)
            return x + 1

    pyramid = Pyramid(torch.ones(1, 2, 4), torch.full((1, 2, 4), 5.0), None, [(1, 2)], None, None)
    assert torch.equal(DenseEncoder(Probe(), 2, nn.Identity())(pyramid), torch.full((1, 2, 4), 3.0))
    assert [float(p[0, 0, 0]) for p in seen] == [5 * 1, 5 * 2]  # the content itself is the scale
    seen.clear()
    DenseEncoder(Probe(), 2)(pyramid)
    assert [float(p[0, 0, 0]) for p in seen] == [5, 5]


def test_learned_boxes_with_content_start_spread_and_content_at_zero():
    torch.manual_seed(0)
    queries = LearnedContentAnchors(400, 8)(torch.zeros(2, 3, 8), None)
    assert not queries.content.any()
    anchors = queries.anchors[0].sigmoid()
    low, high = 1 / (1 + math.exp(3)), 1 / (1 + math.exp(-3))  # 0.047 and 0.953
    assert anchors.min().item() == pytest.approx(low)
    assert anchors.max().item() == pytest.approx(high)
    # 400 uniform numbers, each quarter 100 with standard deviation sqrt(400 * 1/4 * 3/4) = 8.7
    for coordinate in anchors.unbind(-1):
        counts = torch.histc(coordinate, 4, 0, 1)
        assert all(65 < count < 135 for count in counts)


def attention_by_loops(query, key, value, scale):
    """One head: softmax(scale q k) v."""
    out = torch.zeros(len(query), value.shape[1])
    for i, q in enumerate(query):
        scores = torch.tensor([scale * float(q @ k) for k in key])
        out[i] = sum(w * v for w, v in zip(scores.softmax(0), value, strict=True))
    return out


@pytest.mark.parametrize("kind", [ConditionalCrossAttention, FirstConditionalCrossAttention])
@torch.no_grad()
def test_content_and_position_meet_side_by_side(kind):
    torch.manual_seed(0)
    attention = kind(8, 2)
    x, sine, embedding = torch.randn(3, 1, 4, 8)
    memory, place = torch.randn(2, 1, 5, 8)
    query, key = attention.query_content_proj(x), attention.key_content_proj(memory)
    key_place, query_place = attention.key_pos_proj(place), attention.query_pos_sine_proj(sine)
    if kind is FirstConditionalCrossAttention:
        query, key = query + attention.query_pos_proj(embedding), key + key_place
    value, heads = attention.value_proj(memory), []
    for part in (slice(0, 4), slice(4, 8)):
        both = (torch.cat(pair, -1)[0] for pair in (
            (query[..., part], query_place[..., part]), (key[..., part], key_place[..., part])
        ))  # fmt: skip
        heads.append(attention_by_loops(*both, value[0, :, part], 8**-0.5))
    expected = attention.out_proj(torch.cat(heads, -1))
    ours = attention(x, ModulatedPosition(embedding, sine), memory, place)
    assert torch.allclose(ours[0], expected, atol=1e-6)


@torch.no_grad()
def test_dense_attention_is_that_of_torch():
    torch.manual_seed(0)
    reference = nn.MultiheadAttention(8, 2, batch_first=True)
    x, position = torch.randn(2, 2, 4, 8)
    memory, place = torch.randn(2, 2, 5, 8)
    padding = torch.zeros(2, 5, dtype=torch.bool)
    padding[1, 3:] = True
    cross, own = CrossAttention(8, 2), SelfAttention(8, 2)
    for module in (cross, own):
        module.load_state_dict(reference.state_dict())
    expected, _ = reference(x + position, memory + place, memory, key_padding_mask=padding)
    assert torch.allclose(cross(x, position, memory, place, padding), expected, atol=1e-6)
    expected, _ = reference(memory + place, memory + place, memory, key_padding_mask=padding)
    assert torch.allclose(own(memory, place, padding[:, None, None]), expected, atol=1e-6)


@pytest.mark.parametrize("attention", [ConditionalSelfAttention, ConditionalCrossAttention])
def test_heads_must_divide_the_channels(attention):
    with pytest.raises(ValueError, match="embed_dim 8 is not divisible by num_heads 3"):
        attention(8, 3)


@torch.no_grad()
def test_padding_is_invisible_to_dense_layers():
    torch.manual_seed(0)
    layer = DenseEncoderLayer(SelfAttention(8, 2), FeedForward(8, 16), 8)
    tokens, place = torch.randn(2, 1, 5, 8)
    padding = torch.tensor([[False, False, False, True, True]])
    clean = layer(tokens, place, padding)[:, :3]
    tokens[:, 3:] += 7
    assert torch.equal(layer(tokens, place, padding)[:, :3], clean)
    assert not torch.allclose(layer(tokens, place, None)[:, :3], clean)


def test_one_feature_map():
    feature_map = FeatureMap(SinePositionEmbedding(4, temperature=20))
    padding = torch.zeros(2, 64, 96, dtype=torch.bool)
    padding[1, 32:], padding[1, :, 64:] = True, True
    level = torch.randn(2, 8, 2, 3)
    pyramid = feature_map([level], padding, True)
    assert torch.equal(pyramid.tokens[0, 4], level[0, :, 1, 1])
    assert pyramid.padding.tolist() == [[False] * 6, [False, False, True, True, True, True]]
    # references stay boxes of the unpadded image, though half of the second map is padding
    boxes = torch.rand(2, 3, 4)
    assert torch.equal(pyramid.reference(boxes)[:, :, 0], boxes)
    # row 1 of 1, column 2 of 2: the last row and column are at 2 pi
    assert torch.allclose(pyramid.position[1, 1, :2], torch.tensor([0.0, 1.0]), atol=1e-4)
    alone = feature_map([level[:1]], padding[:1], False)
    assert alone.padding is None
    assert torch.equal(alone.position, pyramid.position[:1])
    with pytest.raises(ValueError, match="one map, the neck gives 2"):
        feature_map([level, level], padding, True)
    with pytest.raises(ValueError, match="one backbone output"):
        MapProjection({"res4": 8, "res5": 8}, 4)


def test_anchor_centers_cover_the_image_and_are_trained():
    torch.manual_seed(0)
    source = LearnedAnchors(400, 8)
    queries = source(torch.zeros(2, 3, 8), None)
    assert not queries.content.any()
    centers = queries.anchors.sigmoid()[0, :, :2]
    quadrant = (centers > 0.5).float() @ torch.tensor([1.0, 2.0])
    # 400 uniform points: 100 a quadrant, standard deviation sqrt(400 * 1/4 * 3/4) = 8.7
    assert all(65 < int((quadrant == q).sum()) < 135 for q in range(4))
    queries.anchors.sum().backward()
    assert torch.equal(source.anchors.weight.grad, torch.full((400, 4), 2.0))  # two images


def test_centers_can_be_frozen():
    torch.manual_seed(0)
    source = nn.ModuleDict({"query_source": FixedCenterAnchors(6, 8)})
    weight = source["query_source"].anchors.weight
    before = weight.detach().clone()
    groups = parameter_groups(source, 0.1, weight_decay_overrides={"anchors": 0.0})
    optimizer = torch.optim.AdamW(groups, weight_decay=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        source["query_source"](torch.zeros(1, 3, 8), None).anchors.square().sum().backward()
        optimizer.step()
    assert torch.equal(weight[:, :2], before[:, :2])
    assert (weight[:, 2:] != before[:, 2:]).all()


def test_detr_predicts_absolute_boxes():
    queries = LearnedPositions(3, 8)(torch.zeros(2, 5, 8), None)
    anchors = queries.anchors.sigmoid()
    state = RefinementState(anchors, anchors)
    x = torch.randn(2, 3, 4)
    after = FixedAnchors()(nn.Identity(), x, x, state)
    assert torch.equal(after.boxes, x.sigmoid())
    assert torch.equal(queries.position[0], queries.position[1])


def test_every_query_gives_its_best_class():
    # probabilities: query 0 (1/4, 1/4, 1/2 no object), query 1 (1/6, 1/2, 1/3 no object)
    logits = torch.tensor([[[1.0, 1.0, 2.0], [1.0, 3.0, 2.0]]]).log()
    boxes = torch.tensor([[[0.5, 0.5, 1.0, 1.0], [0.25, 0.5, 0.5, 0.5]]])
    [found] = ArgmaxPostprocess()(logits, boxes, [(100, 200)])
    assert found.scores.tolist() == pytest.approx([1 / 2, 1 / 4])
    assert found.pred_classes.tolist() == [1, 0]
    assert found.pred_boxes.tensor.tolist() == [[0, 25, 100, 75], [0, 0, 200, 100]]


def shipped(name):
    config = LazyConfig.load(resolve_config(name))
    config.model.num_classes = 5
    torch.manual_seed(0)
    return instantiate(config.model)


@pytest.mark.parametrize("name", TINY)
def test_a_shipped_model_trains_detects_and_reloads(name, make_item, tmp_path):
    model = shipped(name).train()
    items = [make_item(96, 128, 3, seed=1), make_item(128, 96, 0, seed=2)]
    losses = model(items)
    suffixes = ["", "_0", "_1"]
    assert set(losses) == {f"loss_{t}{s}" for t in ("class", "bbox", "giou") for s in suffixes}
    sum(losses.values()).backward()
    parameters = dict(model.named_parameters())
    assert not [n for n, p in parameters.items() if p.grad is None or not p.grad.isfinite().all()]
    torch.optim.AdamW(model.parameters(), lr=1e-3).step()
    model.eval()
    with torch.no_grad():
        found = [result["instances"] for result in model(items)]
    for instances in found:
        assert 0 < len(instances) <= 40
        assert (instances.scores.diff() <= 0).all()
        assert instances.pred_classes.max() < 5

    torch.save(model.state_dict(), tmp_path / "model.pth")
    again = shipped(name).eval()
    again.load_state_dict(torch.load(tmp_path / "model.pth", weights_only=True))
    with torch.no_grad():
        repeated = [result["instances"] for result in again(items)]
    for first, second in zip(found, repeated, strict=True):
        assert torch.equal(first.scores, second.scores)
        assert torch.equal(first.pred_boxes.tensor, second.pred_boxes.tensor)


@pytest.mark.parametrize("name", ["detr_tiny", "dab_detr_tiny"])
@torch.no_grad()
def test_a_result_does_not_depend_on_what_it_is_batched_with(name):
    model = shipped(name).eval()
    level = torch.randn(2, 64, 10, 12)  # stride 16
    padding = torch.zeros(2, 160, 192, dtype=torch.bool)
    padding[0, 96:], padding[0, :, 128:] = True, True
    results = []
    for pyramid in (
        model.pyramid([level], padding, True),
        model.pyramid([level[:1, :, :6, :8]], padding[:1, :96, :128], False),
    ):
        memory = model.encoder(pyramid)
        queries = model.query_source(memory, pyramid)
        results.append(model.decoder(queries, memory, pyramid))
    batched, alone = results
    assert torch.allclose(batched.logits[:, :1], alone.logits, atol=1e-5)
    assert torch.allclose(batched.boxes[:, :1], alone.boxes, atol=1e-5)
    assert not torch.allclose(batched.logits[:, 1:], alone.logits, atol=1e-2)
