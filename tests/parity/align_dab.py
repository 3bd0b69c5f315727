"""Align-DAB-DETR with the hyper-parameters of a golden file and its published weights."""

from __future__ import annotations

import re
from functools import lru_cache

import torch
from torch import Tensor, nn

from aligndetr.interop.load import load_state
from aligndetr.interop.raw_checkpoint import RawCheckpoint
from aligndetr.interop.renaming import export_names, export_state
from aligndetr.interop.sources import detrex_source
from aligndetr.layers import share
from aligndetr.layers.attention import SelfAttention
from aligndetr.layers.conditional_attention import (
    ConditionalCrossAttention,
    ConditionalSelfAttention,
    FirstConditionalCrossAttention,
)
from aligndetr.layers.mlp import MLP, FeedForward
from aligndetr.layers.position_embedding import SinePositionEmbedding
from aligndetr.modeling import LearnedAnchors, ModulatedAnchorPosition
from aligndetr.modeling.backbone.resnet import ResNet
from aligndetr.modeling.decoder import Decoder, DenseDecoderLayer
from aligndetr.modeling.detector import Detector
from aligndetr.modeling.encoder import DenseEncoder, DenseEncoderLayer
from aligndetr.modeling.heads import BoxHead, ClassHead
from aligndetr.modeling.necks import MapProjection
from aligndetr.modeling.postprocess import TopKPostprocess
from aligndetr.modeling.pyramid import FeatureMap
from aligndetr.modeling.refinement import LookForwardTwice
from studies.precision import double_precision
from tests.parity.detectors import Config, criterion
from tests.parity.golden import Golden, filled
from tests.parity.weights import first_alias, published_shapes


@lru_cache(maxsize=1)
def align_dab_detr(golden: Golden) -> Detector:
    """The model of a file in float64; kept for the file's next test."""
    with double_precision():
        model = build(golden)
    shapes = published_shapes(golden, model)
    values = {name: filled(canonical(name), shape) for name, shape in shapes.items()}
    load_state(model, RawCheckpoint(str(golden.path), values), strict=True)
    return model


def canonical(name: str) -> str:
    """The first of a tensor's published aliases: activations are listed twice, too."""
    return re.sub(r"(ffns\.\d+)\.layers\.0\.1\.", r"\1.activation.", first_alias(name))


def exported_shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """What our export to the published layout would write, aliases included."""
    state = model.state_dict()
    return {n: tuple(t.shape) for n, t in export_state(state, detrex_source(state)).items()}


def gradient_norms(model: nn.Module) -> dict[str, Tensor]:
    """Gradient norm of every trained parameter by published name; no gradient counts as 0."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    names = export_names(list(trained), detrex_source(trained))
    return {
        names[name]: torch.zeros(()) if p.grad is None else p.grad.norm()
        for name, p in trained.items()
    }


def build(golden: Golden) -> Detector:
    """The model with every hyper-parameter of the file, freshly initialised."""
    cfg = Config(golden)
    backbone = ResNet(
        depth=cfg.backbone_depth, freeze_at=cfg.freeze_at, out_features=cfg.in_features
    )
    return Detector(
        backbone=backbone,
        neck=MapProjection(backbone.channels, cfg.embed),
        pyramid=FeatureMap(
            SinePositionEmbedding(
                cfg.embed // 2, cfg.pos_temperature, bool(cfg.pos_normalize), cfg.pos_offset
            )
        ),
        encoder=DenseEncoder(
            DenseEncoderLayer(
                SelfAttention(cfg.embed, cfg.heads, cfg.dropout), feed_forward(cfg), cfg.embed
            ),
            cfg.enc,
            MLP(cfg.embed, cfg.embed, cfg.embed, 2),
        ),
        query_source=LearnedAnchors(cfg.queries, cfg.embed),
        decoder=Decoder(
            decoder_layer(cfg, ConditionalCrossAttention),
            cfg.dec,
            LookForwardTwice(cfg.inverse_sigmoid_eps),
            ClassHead(cfg.embed, cfg.classes),
            BoxHead(cfg.embed),
            nn.LayerNorm(cfg.embed),
            ModulatedAnchorPosition(cfg.embed),
            heads=share,
            first_layer=decoder_layer(cfg, FirstConditionalCrossAttention),
        ),
        criterion=criterion(golden),
        postprocess=TopKPostprocess(cfg.topk),
        num_classes=cfg.classes,
        num_queries=cfg.queries,
        embed_dim=cfg.embed,
        pixel_mean=cfg.pixel_mean.tolist(),
        pixel_std=cfg.pixel_std.tolist(),
    )


def decoder_layer(cfg: Config, cross_attention: type[nn.Module]) -> DenseDecoderLayer:
    return DenseDecoderLayer(
        ConditionalSelfAttention(cfg.embed, cfg.heads, cfg.dropout),
        cross_attention(cfg.embed, cfg.heads, cfg.dropout),
        feed_forward(cfg),
        cfg.embed,
    )


def feed_forward(cfg: Config) -> FeedForward:
    return FeedForward(cfg.embed, cfg.ffn, cfg.dropout, getattr(nn, cfg.activation)())
