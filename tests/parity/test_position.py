"""Position embeddings, inverse sigmoid, and box arithmetic."""

from __future__ import annotations

import re

import torch

from aligndetr.layers.boxes import (
    cxcywh_to_xyxy,
    inverse_sigmoid,
    pairwise_giou,
    pairwise_iou,
    xyxy_to_cxcywh,
)
from aligndetr.layers.position_embedding import (
    LearnedPositionEmbedding,
    SinePositionEmbedding,
    sine_embedding,
)
from tests.parity.golden import fill_like, for_each, matching

SINE = r"(sine_norm(?P<norm>\d)_off(?P<offset>[-.\d]+)_)f64"


@for_each("position*.npz", cases=matching(SINE))
def test_sine_embedding_of_pixels(case, compare):
    match = re.fullmatch(SINE, case.prefix + "f64")
    normalize, offset = bool(int(match["norm"])), float(match["offset"])
    whole = case.whole
    embed = SinePositionEmbedding(
        whole["num_pos_feats"], whole["temperature"], normalize, offset=offset
    )
    padding = whole["mask"].bool()
    # With normalisation and an offset, a row or column that is all padding is offset / eps: the
    # sine of a number in the millions, in float32 rounding noise. Those pixels are left out.
    keep = whole["sine_compare_mask"] if normalize and offset else torch.ones_like(padding)
    keep = keep.unsqueeze(1).expand_as(case["f64"])
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 2e-6)):
        ours = embed(padding, dtype=dtype)
        assert ours.dtype == dtype
        compare(
            f"sine of pixels ({str(dtype).removeprefix('torch.')})",
            ours.permute(0, 3, 1, 2),
            case["f64" if dtype == torch.float64 else "f32"],
            atol=tolerance,
            where=keep,
        )


@for_each("position*.npz")
def test_learned_embedding_of_pixels(case, compare):
    embed = LearnedPositionEmbedding(case["num_pos_feats"], *case.ints("learned_rows_cols"))
    fill_like(embed)
    ours = embed(case["mask"].bool(), dtype=torch.float64)
    compare("learned embedding", ours.permute(0, 3, 1, 2), case["learned"], atol=1e-12)


@for_each("position*.npz", cases=matching(r"(gsp_out_\d+_exchange\d)"))
def test_sine_embedding_of_points_and_boxes(case, compare):
    size, exchange = map(int, re.findall(r"\d+", case.prefix))
    whole = case.whole
    x = whole[f"gsp_in_{size}"]
    if exchange:  # published: y before x; ours never reorders, the caller does
        x = x[..., [1, 0, *range(2, size)]]
    expected = case[""]
    ours = sine_embedding(x, expected.shape[-1] // size, whole["temperature"])
    compare("sine of points and boxes", ours, expected, atol=1e-9)


@for_each("position*.npz", cases=matching(r"inv_sigmoid_out_eps(.+)"))
def test_inverse_sigmoid(case, compare):
    eps, whole = case.prefix, case.whole
    x = whole["inv_sigmoid_in"].requires_grad_()
    y = inverse_sigmoid(x, eps=float(eps))
    y.sum().backward()
    compare("inverse sigmoid", y, whole[f"inv_sigmoid_out_eps{eps}"], atol=1e-10)
    expected = whole[f"inv_sigmoid_grad_eps{eps}"]
    compare("inverse sigmoid, gradient", x.grad, expected, atol=1e-10, rtol=1e-10)


@for_each("position*.npz")
def test_boxes(case, compare):
    first, second = cxcywh_to_xyxy(case["box1"]), cxcywh_to_xyxy(case["box2"])
    iou, union = pairwise_iou(first, second)
    compare("cxcywh to xyxy", first, case["box1_xyxy"], atol=1e-12)
    compare("xyxy to cxcywh", xyxy_to_cxcywh(case["box1_xyxy"]), case["box1_back"], atol=1e-12)
    compare("IoU", iou, case["iou"], atol=1e-10)
    compare("union", union, case["union"], atol=1e-10)
    compare("GIoU", pairwise_giou(first, second), case["giou"], atol=1e-10)
