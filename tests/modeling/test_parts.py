import math

import pytest
import torch

from aligndetr.layers.boxes import cxcywh_to_xyxy, inverse_sigmoid
from aligndetr.layers.position_embedding import SinePositionEmbedding
from aligndetr.modeling.denoising import ContrastiveDenoiser, NoiseDraws
from aligndetr.modeling.heads import BoxHead, ClassHead
from aligndetr.modeling.postprocess import TopKPostprocess
from aligndetr.modeling.pyramid import PyramidBuilder
from aligndetr.structures import Targets


def build_pyramid(padding, is_padded=True, shapes=((4, 6), (2, 3))):
    builder = PyramidBuilder(SinePositionEmbedding(2), len(shapes), 4)
    levels = [torch.randn(len(padding), 4, h, w) for h, w in shapes]
    return builder(levels, padding, is_padded), levels


def test_pyramid_geometry_by_hand():
    padding = torch.zeros(1, 8, 12, dtype=torch.bool)
    padding[:, 4:], padding[:, :, 9:] = True, True  # 4 of 8 rows, 9 of 12 columns are image
    pyramid, levels = build_pyramid(padding)
    assert pyramid.shapes == [(4, 6), (2, 3)]
    assert torch.equal(pyramid.tokens[0, 7], levels[0][0, :, 1, 1])  # row 1, column 1 of 6
    # level 0 samples every second pixel: columns 0 2 4 6 8 are image (5 of 6), rows 0 2 (2 of 4)
    # level 1 every fourth: columns 0 4 8 (3 of 3), row 0 (1 of 2)
    ratios = [[5 / 6, 2 / 4], [3 / 3, 1 / 2]]
    assert torch.allclose(pyramid.valid_ratios[0], torch.tensor(ratios))
    # token (1, 1) of level 0: centre (1.5, 1.5) of a 5 x 2 image
    assert pyramid.centers[0, 7].tolist() == pytest.approx([1.5 / 5, 1.5 / 2])
    reference = pyramid.reference(torch.tensor([[[0.5, 0.5, 0.2, 0.2]]]))
    expected = [[0.5 * a, 0.5 * b, 0.2 * a, 0.2 * b] for a, b in ratios]
    assert torch.allclose(reference[0, 0], torch.tensor(expected))
    assert pyramid.padding[0, :6].tolist() == [False] * 5 + [True]


def test_unpadded_pyramid_equals_one_with_an_empty_mask():
    torch.manual_seed(0)
    padding = torch.zeros(2, 8, 12, dtype=torch.bool)
    builder = PyramidBuilder(SinePositionEmbedding(2), 1, 4)
    level = torch.randn(2, 4, 4, 6)
    with_mask, without = builder([level], padding, True), builder([level], padding, False)
    assert without.padding is None
    assert not with_mask.padding.any()
    for name in ("tokens", "position", "centers", "valid_ratios"):
        assert torch.equal(getattr(with_mask, name), getattr(without, name))


def test_wrong_number_of_levels_is_named():
    builder = PyramidBuilder(SinePositionEmbedding(2), 3, 4)
    with pytest.raises(ValueError, match="1 feature maps for 3 level embeddings"):
        builder([torch.zeros(1, 4, 2, 2)], torch.zeros(1, 8, 8, dtype=torch.bool), False)


def targets(*sizes):
    return Targets(
        [torch.arange(n) for n in sizes],
        [torch.tensor([[0.5, 0.5, 0.2, 0.4]]).repeat(n, 1) for n in sizes],
    )


def draws(n, label_chance=1.0, new_label=0, sign=1.0, magnitude=0.0):
    return NoiseDraws(
        torch.full((n,), label_chance),
        torch.full((n,), new_label),
        torch.full((n, 4), sign),
        torch.full((n, 4), magnitude),
    )


def test_denoising_groups_and_slots():
    denoiser = ContrastiveDenoiser(num_classes=4, embed_dim=3, num_queries=7)
    noised = denoiser(targets(1, 3))
    # 7 // 3 = 2 groups of 2 x 3 slots
    assert (noised.num_groups, noised.slots_per_group) == (2, 6)
    assert noised.content.shape == (2, 12, 3)
    used = noised.content.abs().sum(-1) > 0
    assert used[0].nonzero().flatten().tolist() == [0, 3, 6, 9]
    assert used[1].all()
    assert noised.anchors[0, 1].eq(0).all()


def test_denoising_noise_by_hand():
    denoiser = ContrastiveDenoiser(4, 3, num_queries=1, label_noise_ratio=0.5).double()
    one = Targets([torch.tensor([2])], [torch.tensor([[0.5, 0.5, 0.2, 0.4]]).double()])
    # chance 0.2 < 0.5 / 2: the label is replaced; corners shift by +0.5 of half the size, a
    # negative's by 1.5: half sizes 0.1 and 0.2, so by (0.05, 0.1) and (0.15, 0.3)
    noised = denoiser(one, draws(2, label_chance=0.2, new_label=3, sign=1.0, magnitude=0.5))
    assert torch.equal(noised.content[0, 0], denoiser.label_embedding.weight[3])
    boxes = noised.anchors[0].sigmoid()
    expected = torch.tensor([[0.55, 0.6, 0.2, 0.4], [0.65, 0.8, 0.2, 0.4]]).double()
    # the lower right corner of the negative: 0.6 + 0.15, 0.7 + 0.3 = 1.0, just inside
    assert torch.allclose(boxes, expected, atol=1e-6)
    kept = denoiser(one, draws(2, label_chance=0.3, new_label=3))
    assert torch.equal(kept.content[0, 0], denoiser.label_embedding.weight[2])


def test_noised_boxes_are_cut_to_the_image():
    denoiser = ContrastiveDenoiser(4, 3, num_queries=1)
    edge = Targets([torch.tensor([0])], [torch.tensor([[0.9, 0.5, 0.2, 0.2]])])
    noised = denoiser(edge, draws(2, sign=1.0, magnitude=0.8))
    # x1 = 1.0 + 0.08 is cut to 1; x0 = 0.8 + 0.08: centre 0.94, width 0.12
    corners = cxcywh_to_xyxy(noised.anchors[0, :1].sigmoid())
    assert corners[0, 2].item() == pytest.approx(1.0, abs=1e-5)
    assert corners[0, 0].item() == pytest.approx(0.88, abs=1e-5)


def test_who_may_see_whom():
    noised = ContrastiveDenoiser(4, 3, num_queries=2)(targets(1))
    blocked = noised.blocked(num_queries=2)
    # slots: group 0 = {0, 1}, group 1 = {2, 3}, matching queries 4 and 5
    expected = torch.tensor(
        [
            [0, 0, 1, 1, 0, 0],
            [0, 0, 1, 1, 0, 0],
            [1, 1, 0, 0, 0, 0],
            [1, 1, 0, 0, 0, 0],
            [1, 1, 1, 1, 0, 0],
            [1, 1, 1, 1, 0, 0],
        ],
        dtype=torch.bool,
    )
    assert torch.equal(blocked, expected)


def test_no_objects_means_no_denoising_queries_but_a_gradient():
    denoiser = ContrastiveDenoiser(4, 3)
    noised = denoiser(targets(0, 0))
    assert noised.content.shape == (2, 0, 3)
    assert noised.blocked(5) is None
    noised.content.sum().backward()
    assert denoiser.label_embedding.weight.grad.eq(0).all()


def test_postprocess_by_hand():
    # two queries, two classes; probabilities 0.9, 0.2 / 0.6, 0.8
    p = torch.tensor([[[0.9, 0.2], [0.6, 0.8]]])
    boxes = torch.tensor([[[0.5, 0.5, 0.5, 0.5], [0.9, 0.5, 0.4, 0.2]]])
    (result,) = TopKPostprocess(3)(p.logit(), boxes, [(100, 200)])
    assert result.scores.tolist() == pytest.approx([0.9, 0.8, 0.6])
    assert result.pred_classes.tolist() == [0, 1, 0]
    # (0.25 .. 0.75) x 200, x 100; (0.7 .. 1.1) is cut to 200
    expected = [[50.0, 25.0, 150.0, 75.0], [140.0, 40.0, 200.0, 60.0], [140.0, 40.0, 200.0, 60.0]]
    assert torch.allclose(result.pred_boxes.tensor, torch.tensor(expected), atol=1e-4)


def test_postprocess_drops_boxes_without_area():
    boxes = torch.tensor([[[0.5, 0.5, 0.0, 0.5], [1.5, 0.5, 0.2, 0.2]]])
    (result,) = TopKPostprocess(4)(torch.zeros(1, 2, 1), boxes, [(10, 10)])
    assert len(result) == 0


def test_heads_start_where_they_should():
    head = ClassHead(8, 3, prior=0.01)
    assert head.bias.sigmoid().tolist() == pytest.approx([0.01] * 3)
    assert BoxHead(8)(torch.randn(2, 8)).eq(0).all()


def test_the_last_box_is_supervised_through_two_layers(make_detector, make_item):
    model = make_detector(denoiser=None).train()
    images = model.preprocess([make_item()])
    predictions = model.detect(images).predictions
    predictions.boxes[-1].sum().backward()
    # layer 2 predicts from what layer 1 moved, with gradient; layer 0's move was detached
    heads = [*model.decoder.box_heads, model.query_source.box_head]
    gradients = [head.layers[-1].weight.grad for head in heads]
    reached = [gradient is not None and bool(gradient.any()) for gradient in gradients]
    assert reached == [False, True, True, False]


def test_proposals_are_boxes_around_tokens(make_detector, make_item):
    model = make_detector(num_queries=1000)
    with torch.no_grad():
        for parameter in model.query_source.box_head.parameters():
            parameter.zero_()
    model.eval()
    with torch.no_grad():
        pyramid = model.pyramid(
            model.neck(model.backbone(torch.zeros(1, 3, 64, 64))),
            torch.zeros(1, 64, 64, dtype=torch.bool),
            False,
        )
        queries = model.query_source(model.encoder(pyramid), pyramid)
    boxes = queries.anchors[0].sigmoid()
    fine = boxes[(boxes[:, 2] - 0.05).abs() < 1e-6]
    # 8 x 8 tokens of 0.05 x 0.05, centres at (i + 0.5) / 8
    assert len(fine) == 64
    assert sorted({round(x, 4) for x in fine[:, 0].tolist()}) == [(i + 0.5) / 8 for i in range(8)]
    assert math.isclose(boxes[:, 2].max().item(), 0.2, abs_tol=1e-6)  # 0.05 * 2 ** 2
    assert inverse_sigmoid(torch.tensor(0.5)).item() == 0
