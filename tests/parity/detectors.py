"""Our detector with the hyper-parameters of a golden file and its published weights."""

from __future__ import annotations

from functools import lru_cache

from torch import nn

from aligndetr.criterions import SetCriterion, align_loss, focal_loss
from aligndetr.layers import share
from aligndetr.layers.attention import SelfAttention
from aligndetr.layers.deformable_attention import MultiScaleDeformableAttention
from aligndetr.layers.mlp import FeedForward
from aligndetr.layers.position_embedding import SinePositionEmbedding
from aligndetr.matchers import HungarianMatcher, MatchingCost, MixedMatcher
from aligndetr.modeling import (
    AnchorPosition,
    LearnedQueries,
    ProposedQueries,
    TwoStageQueries,
)
from aligndetr.modeling.backbone.resnet import ResNet
from aligndetr.modeling.decoder import Decoder, DecoderLayer
from aligndetr.modeling.denoising import ContrastiveDenoiser
from aligndetr.modeling.detector import Detector
from aligndetr.modeling.encoder import Encoder, EncoderLayer
from aligndetr.modeling.heads import BoxHead, ClassHead
from aligndetr.modeling.necks import ChannelMapper
from aligndetr.modeling.postprocess import TopKPostprocess
from aligndetr.modeling.pyramid import PyramidBuilder
from aligndetr.modeling.refinement import FixedAnchors, IterativeRefinement, LookForwardTwice
from aligndetr.structures import Boxes, Instances
from studies.precision import double_precision
from tests.parity.golden import Golden
from tests.parity.test_matcher import CLASS_COSTS
from tests.parity.weights import load_published


def is_deformable(golden: Golden) -> bool:
    """Whether the file holds a Deformable-DETR; its `cfg_match` and `cfg_tau` mean nothing."""
    return golden.path.stem.startswith("deformable_detr")


@lru_cache(maxsize=1)
def detector(golden: Golden) -> Detector:
    """The model of a file in float64; kept for the file's next test."""
    with double_precision():
        model = build(golden)
    load_published(model, golden)
    return model


def build(golden: Golden) -> Detector:
    """The model with every hyper-parameter of the file, freshly initialised."""
    cfg = Config(golden)
    backbone = ResNet(
        depth=cfg.backbone_depth, freeze_at=cfg.freeze_at, out_features=cfg.in_features
    )
    return Detector(
        backbone=backbone,
        neck=ChannelMapper(backbone.channels, cfg.embed, cfg.levels, num_groups=cfg.gn),
        pyramid=PyramidBuilder(
            SinePositionEmbedding(
                cfg.embed // 2, cfg.pos_temperature, bool(cfg.pos_normalize), cfg.pos_offset
            ),
            cfg.levels,
            cfg.embed,
        ),
        encoder=Encoder(
            EncoderLayer(deformable_attention(cfg), feed_forward(cfg), cfg.embed, cfg.dropout),
            cfg.enc,
        ),
        query_source=query_source(golden),
        decoder=decoder(golden),
        criterion=criterion(golden),
        postprocess=TopKPostprocess(cfg.topk),
        num_classes=cfg.classes,
        num_queries=cfg.queries,
        embed_dim=cfg.embed,
        denoiser=None if is_deformable(golden) else denoiser(cfg),
        pixel_mean=cfg.pixel_mean.tolist(),
        pixel_std=cfg.pixel_std.tolist(),
    )


class Config:
    """The `cfg_` arrays of a file as attributes."""

    def __init__(self, golden: Golden) -> None:
        self._golden = golden

    def __getattr__(self, name: str):
        return self._golden[f"cfg_{name}"]


def query_source(golden: Golden) -> nn.Module:
    cfg = Config(golden)
    if is_deformable(golden) and not cfg.two_stage:
        return LearnedQueries(cfg.queries, cfg.embed)
    kind = ProposedQueries if is_deformable(golden) else TwoStageQueries
    return kind(ClassHead(cfg.embed, cfg.classes), BoxHead(cfg.embed), cfg.queries, cfg.embed)


def decoder(golden: Golden) -> Decoder:
    """DINO's, or Deformable-DETR's with or without refinement."""
    cfg = Config(golden)
    layer = DecoderLayer(
        SelfAttention(cfg.embed, cfg.heads, cfg.dropout),
        deformable_attention(cfg),
        feed_forward(cfg),
        cfg.embed,
        cfg.dropout,
    )
    heads = ClassHead(cfg.embed, cfg.classes), BoxHead(cfg.embed)
    eps = cfg.inverse_sigmoid_eps
    if not is_deformable(golden):
        norm, position = nn.LayerNorm(cfg.embed), AnchorPosition(cfg.embed)
        return Decoder(layer, cfg.dec, LookForwardTwice(eps), *heads, norm, position)
    if cfg.box_refine:
        return Decoder(layer, cfg.dec, IterativeRefinement(eps), *heads, nn.Identity())
    return Decoder(layer, cfg.dec, FixedAnchors(eps), *heads, nn.Identity(), heads=share)


def denoiser(cfg: Config) -> ContrastiveDenoiser:
    return ContrastiveDenoiser(
        cfg.classes,
        cfg.embed,
        cfg.dn,
        cfg.label_noise_ratio,
        cfg.box_noise_scale,
        cfg.inverse_sigmoid_eps,
    )


def deformable_attention(cfg: Config) -> MultiScaleDeformableAttention:
    return MultiScaleDeformableAttention(cfg.embed, cfg.heads, cfg.levels, cfg.points)


def feed_forward(cfg: Config) -> FeedForward:
    return FeedForward(cfg.embed, cfg.ffn, cfg.dropout)


def criterion(golden: Golden) -> SetCriterion:
    """AlignDETR's, or the family's older one; the loss has its own alpha and gamma."""
    cfg = Config(golden)
    class_cost = CLASS_COSTS[cfg.cost_type](*cfg.matcher_alpha_gamma.tolist())
    cost = MatchingCost(class_cost, *cfg.matcher_weights.tolist())
    weights = dict(zip(("class", "bbox", "giou"), cfg.loss_weights.tolist(), strict=True))
    alpha, gamma = cfg.loss_alpha_gamma.tolist()
    if is_deformable(golden) or golden.path.stem.startswith("dino"):
        agnostic = is_deformable(golden) and bool(cfg.two_stage)
        loss = focal_loss(alpha, gamma)
        return SetCriterion(
            HungarianMatcher(cost), loss, weights, class_agnostic_proposals=agnostic
        )
    loss = align_loss(alpha, gamma, cfg.tau)
    return SetCriterion(MixedMatcher(cost), loss, weights, cfg.match.tolist())


def inputs(case: Golden, training: bool) -> list[dict]:
    """The images of a case (`{prefix}img0`, ...) in the detector's input format."""
    items = []
    for index in range(len(case["spec"])):
        image = case[f"img{index}"]
        size = (int(image.shape[1]), int(image.shape[2]))
        item = {"image": image, "height": size[0], "width": size[1]}
        if training:
            item["instances"] = Instances(
                size,
                gt_boxes=Boxes(case[f"boxes{index}"].reshape(-1, 4)),
                gt_classes=case[f"classes{index}"],
            )
        items.append(item)
    return items


def losses_of(case: Golden) -> dict[str, float]:
    """Published weighted losses by name."""
    return dict(zip(case["loss_keys"], case["losses"].tolist(), strict=True))
