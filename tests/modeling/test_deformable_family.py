"""Deformable-DETR, H-Deformable-DETR and the align criterion on them: parts, then whole models."""

import math

import pytest
import torch
from torch import nn

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.errors import ConfigError
from aligndetr.layers import repeat, share
from aligndetr.modeling import (
    HybridQueries,
    LearnedQueries,
    ProposedQueries,
    Queries,
    RoutedQueries,
)
from aligndetr.modeling.heads import BoxHead, ClassHead
from aligndetr.modeling.pyramid import PyramidBuilder
from aligndetr.modeling.queries.token_selection import between_branches
from aligndetr.modeling.refinement import FixedAnchors, IterativeRefinement, RefinementState
from aligndetr.structures import Predictions


class Constant(nn.Module):
    """A head that says the same everywhere."""

    def __init__(self, *values):
        super().__init__()
        self.values = nn.Parameter(torch.tensor(values))

    def forward(self, x):
        return self.values.expand(*x.shape[:-1], -1)


# --- refinement ---------------------------------------------------------------------------------


def test_a_point_and_corrections_make_a_box():
    point = torch.tensor([[[0.5, 0.8]]])
    head = Constant(0.0, math.log(4.0), 0.0, -math.log(3.0))
    x = torch.zeros(1, 1, 8)
    state = FixedAnchors(eps=1e-5)(head, x, x, RefinementState(point, point))
    # y: 0.8 has odds 4, times 4 is 16, so 16/17; h: odds 1/3 alone, so 1/4
    torch.testing.assert_close(state.boxes, torch.tensor([[[0.5, 16 / 17, 0.5, 0.25]]]))
    again = FixedAnchors(eps=1e-5)(head, x, x, state)
    torch.testing.assert_close(again.boxes, state.boxes)  # relative to the point, not the box
    assert again.anchors is point


def test_each_layer_corrects_the_box_before_without_gradient_into_it():
    point = torch.tensor([[[0.5, 0.5]]], requires_grad=True)
    first, second = Constant(math.log(3.0), 0.0, 0.0, 0.0), Constant(math.log(3.0), 0.0, 0.0, 0.0)
    refine, x = IterativeRefinement(eps=1e-5), torch.zeros(1, 1, 8)
    one = refine(first, x, x, RefinementState(point, point))
    two = refine(second, x, x, one)
    # odds of x: 1, 3, 9
    torch.testing.assert_close(one.boxes[0, 0, 0].item(), 3 / 4)
    torch.testing.assert_close(two.boxes[0, 0, 0].item(), 9 / 10)
    two.boxes.sum().backward()
    assert first.values.grad is None
    assert point.grad is None
    assert second.values.grad.abs().sum() > 0
    one.boxes.sum().backward()  # the first layer's own loss does train the point
    assert point.grad.abs().sum() > 0


def test_shared_and_repeated_heads():
    shared, separate = share(nn.Linear(2, 2), 3), repeat(nn.Linear(2, 2), 3)
    assert shared[0] is shared[2]
    assert len(list(shared.parameters())) == 2
    assert len(list(separate.parameters())) == 6
    assert not torch.equal(separate[0].weight, separate[1].weight)


# --- query sources ------------------------------------------------------------------------------


@pytest.fixture
def scene():
    """Memory and geometry of two levels, 20 tokens of which none lies outside."""
    torch.manual_seed(0)
    builder = PyramidBuilder(lambda mask, dtype: torch.zeros(*mask.shape, 8, dtype=dtype), 2, 8)
    levels = [torch.randn(2, 8, 4, 4), torch.randn(2, 8, 2, 2)]
    pyramid = builder(levels, torch.zeros(2, 32, 32, dtype=torch.bool), is_padded=False)
    return torch.randn(2, 20, 8), pyramid


def make(source, num_classes=3, **counts):
    torch.manual_seed(1)
    made = source(class_head=ClassHead(8, num_classes), box_head=BoxHead(8), embed_dim=8, **counts)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return made


def test_learned_queries_hold_the_position_first(scene):
    source = LearnedQueries(5, 8)
    queries = source(*scene)
    weight = source.embedding.weight
    assert torch.equal(queries.position[1], weight[:, :8])
    assert torch.equal(queries.content[1], weight[:, 8:])
    torch.testing.assert_close(queries.anchors[0], source.reference_points(weight[:, :8]))
    assert queries.anchors.shape == (2, 5, 2)
    assert queries.proposals is None


def test_proposals_are_chosen_by_the_first_class_channel(scene):
    source = make(ProposedQueries, num_queries=4)
    queries = source(*scene)
    logits, boxes = queries.proposals.logits[0], queries.proposals.boxes[0]
    assert logits.shape == (2, 20, 3)  # of all tokens
    objectness = logits[..., 0].tolist()
    for image in range(2):
        best = sorted(range(20), key=lambda token: -objectness[image][token])[:4]
        torch.testing.assert_close(queries.anchors[image].sigmoid(), boxes[image, best])
    both = [queries.position, queries.content]
    assert [tuple(part.shape) for part in both] == [(2, 4, 8)] * 2
    stacked = torch.cat(both, dim=-1) - source.position_norm.bias
    torch.testing.assert_close(  # both halves went through one LayerNorm
        (stacked / source.position_norm.weight).mean(-1), torch.zeros(2, 4), atol=1e-5, rtol=0
    )
    (queries.position.sum() + queries.content.sum()).backward()
    assert source.box_head.layers[0].weight.grad is None  # no gradient through what was chosen


def test_branches_do_not_see_each_other():
    mask = between_branches(torch.zeros(1, 5, 1), 2)
    expected = [
        [0, 0, 1, 1, 1],
        [0, 0, 1, 1, 1],
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
    ]
    assert mask.int().tolist() == expected


def test_hybrid_queries_in_training_and_evaluation(scene):
    source = make(HybridQueries, num_queries=3, num_one_to_many=4)
    trained, evaluated = source.train()(*scene), source.eval()(*scene)
    assert trained.content.shape == (2, 7, 8)
    assert torch.equal(trained.content[0], source.content.weight)
    assert torch.equal(trained.blocked, between_branches(trained.anchors, 3))
    for name in ("content", "anchors", "position"):  # the first branch alone, unchanged
        torch.testing.assert_close(getattr(trained, name)[:, :3], getattr(evaluated, name))
    assert evaluated.content.shape == (2, 3, 8)
    assert evaluated.blocked is None
    best = trained.proposals.logits[0, 0, :, 0].sort(descending=True).indices[:7]
    expected = trained.proposals.boxes[0, 0, best]
    torch.testing.assert_close(trained.anchors[0].sigmoid(), expected)


def test_a_second_route_has_the_same_queries_and_an_instruction(scene):
    source = make(RoutedQueries, num_queries=3)
    trained, evaluated = source.train()(*scene), source.eval()(*scene)
    assert torch.equal(trained.content[:, :3], evaluated.content)
    instructed = evaluated.content + source.instruction  # the same vector for all queries
    torch.testing.assert_close(trained.content[:, 3:], instructed)
    assert torch.equal(trained.anchors[:, :3], evaluated.anchors)
    assert torch.equal(trained.anchors[:, 3:], evaluated.anchors)
    assert torch.equal(trained.blocked, between_branches(trained.anchors, 3))
    assert evaluated.blocked is None
    trained.content[:, :3].sum().backward()
    assert source.instruction.grad.abs().sum() == 0  # the first route does not know of it


def test_a_second_route_needs_as_many_tokens_as_queries(scene):
    source = make(RoutedQueries, num_queries=21)  # of 20 tokens
    with pytest.raises(ConfigError, match="21 queries, but images of 20 tokens"):
        source.train()(*scene)
    assert source.eval()(*scene).content.shape[1] == 20


def test_hybrid_queries_with_few_tokens(scene):
    both = make(HybridQueries, num_queries=15, num_one_to_many=30)(*scene)
    assert both.content.shape[1] == 20
    one = make(HybridQueries, num_queries=30, num_one_to_many=30)(*scene)
    assert one.content.shape[1] == 20
    assert not one.blocked.any()  # no second branch


def test_masks_of_queries_and_of_others_before_them_are_joined():
    own = torch.tensor([[0, 1], [1, 0]]).bool()
    queries = Queries(torch.zeros(1, 2, 8), torch.zeros(1, 2, 4), blocked=own)
    others = torch.zeros(3, 3, dtype=torch.bool)
    others[1:, 0] = True  # queries must not see the one before them
    both = queries.after(torch.ones(1, 1, 8), torch.ones(1, 1, 4), others).blocked
    assert both.int().tolist() == [[0, 0, 0], [1, 0, 1], [1, 1, 0]]
    alone = queries.after(torch.ones(1, 1, 8), torch.ones(1, 1, 4)).blocked
    assert alone.int().tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0]]


# --- whole models -------------------------------------------------------------------------------

SMALL = {
    "model.num_classes": 5,
    "model.num_queries": 8,
    "model.embed_dim": 32,
    "model.pyramid.position_embedding.num_features": 16,
    "+model.backbone.width": 8,
    "model.neck.in_channels": "{res3: 64, res4: 128, res5: 256}",
    "model.encoder.num_layers": 1,
    "model.encoder.layer.ffn.feedforward_dim": 32,
    "model.decoder.layer.ffn.feedforward_dim": 32,
}
DEFORMABLE = {
    "deformable_detr_r50_50ep": 18,
    "deformable_detr_r50_with_box_refinement_50ep": 18,
    "deformable_detr_r50_two_stage_50ep": 21,
    "deformable_align_r50_two_stage_50ep": 21,
}
HYBRID = {"h_deformable_detr_r50_two_stage_12ep": 39, "h_deformable_align_r50_two_stage_12ep": 39}


def build(name, **changes):
    config = LazyConfig.load(resolve_config(name))
    if name.endswith("tiny"):
        overrides = {"model.num_classes": 5}
    else:
        branch = {"model.query_source.num_one_to_many": 24} if name in HYBRID else {}
        overrides = SMALL | branch
    overrides |= changes
    LazyConfig.apply_overrides(config, [f"{key}={value}" for key, value in overrides.items()])
    torch.manual_seed(0)
    return instantiate(config.model)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        *DEFORMABLE.items(),
        *HYBRID.items(),
        ("deformable_detr_tiny", 12),
        ("deformable_align_tiny", 12),
        ("h_deformable_detr_tiny", 21),
    ],
)
def test_a_training_step_and_an_evaluation(name, count, make_item):
    model = build(name)
    batch = [make_item(96, 128), make_item(128, 96, num_boxes=0, seed=1)]
    losses = model.train()(batch)
    assert len(losses) == count
    assert all(loss.shape == () and loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    idle = [k for k, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert idle == []
    with torch.no_grad():
        results = model.eval()(batch)
    assert [set(r["instances"].get_fields()) for r in results] == [
        {"pred_boxes", "scores", "pred_classes"}
    ] * 2
    assert all(len(r["instances"]) for r in results)


def test_the_second_branch_does_not_reach_the_first(make_item):
    frozen = {"model.backbone.norm": "FrozenBN"}  # the same in training and evaluation
    model = build("h_deformable_detr_tiny", **frozen).double().train()
    batch = [make_item(96, 96, num_classes=5)]
    images, targets = model.preprocess(batch), model.targets(batch)
    first_branch = model.num_queries
    before = model.detect(images, targets).predictions
    assert before.logits.shape[2] == first_branch + 80
    with torch.no_grad():
        model.query_source.content.weight[first_branch:] += 1.0
    after = model.detect(images, targets).predictions
    (near, far), (still, moved) = before.split(first_branch), after.split(first_branch)
    assert torch.equal(near.logits, still.logits)
    assert torch.equal(near.boxes, still.boxes)
    assert (far.logits - moved.logits).abs().max() > 1e-3
    with torch.no_grad():  # and evaluation is that first branch
        alone = model.eval().detect(images).predictions
    torch.testing.assert_close(alone.logits, near.logits)
    torch.testing.assert_close(alone.boxes, near.boxes)


def test_both_branches_are_trained(make_item):
    model = build("h_deformable_detr_tiny").train()
    losses = model([make_item(96, 96, num_classes=5)])
    many = [loss for name, loss in losses.items() if name.endswith("_one2many")]
    content = model.query_source.content.weight
    (gradient,) = torch.autograd.grad(sum(many), content, retain_graph=True)
    assert gradient[: model.num_queries].abs().max() == 0
    assert gradient[model.num_queries :].abs().max() > 0
    one = [loss for name, loss in losses.items() if not name.endswith("_one2many")]
    (gradient,) = torch.autograd.grad(sum(one), content)
    assert gradient[: model.num_queries].abs().max() > 0
    assert gradient[model.num_queries :].abs().max() == 0


def test_proposals_tell_objects_only(make_item):
    model = build("deformable_detr_tiny").train()
    item = make_item(96, 96, num_boxes=3, num_classes=5)
    losses = []
    for label in (0, 4):
        item["instances"].gt_classes = torch.full((3,), label)
        losses.append(model([item]))
    for name in ("loss_class_enc", "loss_bbox_enc", "loss_giou_enc"):
        assert torch.equal(losses[0][name], losses[1][name])
    assert not torch.equal(losses[0]["loss_class"], losses[1]["loss_class"])


def test_the_align_criterion_matches_k_queries_of_any_model(make_item):
    """By config alone: two candidates an object in all layers but the last."""
    model = build("deformable_align_tiny").train()
    batch = [make_item(96, 96, num_boxes=2, num_classes=5)]
    targets = model.targets(batch)
    output = model.detect(model.preprocess(batch), targets)
    predictions, proposals = output.predictions, output.proposals
    boxes = predictions.boxes.detach().requires_grad_()
    losses = model.criterion(Predictions(predictions.logits, boxes), targets, 2.0, proposals)
    sum(value for name, value in losses.items() if "giou" in name).backward()
    matched = (boxes.grad != 0).any(-1).sum((1, 2))
    assert matched.tolist() == [4, 4, 2]  # of 2 objects
