"""DETR, DAB-DETR and Align-DAB-DETR: one feature map, dense attention."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from aligndetr.config import LazyConfig, instantiate
from aligndetr.errors import ConfigError
from aligndetr.structures import Boxes, Instances

# As published/dense.py has them, in the places where our models have them.
COMMON = {
    "num_classes": 11,
    "num_queries": 45,
    "embed_dim": 64,
    "pixel_mean": [101.0, 102.0, 103.0],
    "pixel_std": [51.0, 52.0, 53.0],
    "backbone.depth": 18,
    "backbone.width": 32,
    "backbone.norm": "BN",
    "backbone.freeze_at": 0,  # -1 there
    "backbone.out_features": ["res3", "res4"],
    "neck.in_channels": {"res4": 128},  # the last of what is named
    "pyramid.position_embedding.num_features": 32,
    "pyramid.position_embedding.temperature": 30,
    "pyramid.position_embedding.normalize": True,
    "pyramid.position_embedding.offset": 0.0,
    "encoder.num_layers": 1,
    "encoder.layer.self_attention.num_heads": 4,
    "encoder.layer.self_attention.dropout": 0.15,
    "encoder.layer.dropout": 0.0,  # theirs drops nothing of what attention gives
    "encoder.layer.ffn.feedforward_dim": 80,
    "encoder.layer.ffn.dropout": 0.05,
    "decoder.num_layers": 2,
    "decoder.layer.self_attention.num_heads": 4,
    "decoder.layer.self_attention.dropout": 0.15,
    "decoder.layer.cross_attention.num_heads": 4,
    "decoder.layer.cross_attention.dropout": 0.15,
    "decoder.layer.dropout": 0.0,
    "decoder.layer.ffn.feedforward_dim": 96,
    "decoder.layer.ffn.dropout": 0.05,
    "criterion.weights": {"class": 1.5, "bbox": 4.5, "giou": 2.5},
    "criterion.matcher.cost.class_weight": 1.25,
    "criterion.matcher.cost.bbox_weight": 3.5,
    "criterion.matcher.cost.giou_weight": 2.75,
}
DAB = {
    "encoder.layer.ffn.activation.init": 0.375,
    "decoder.layer.ffn.activation.init": 0.125,
    "decoder.first_layer.ffn.activation.init": 0.125,
    "decoder.first_layer.ffn.feedforward_dim": 96,
    "decoder.first_layer.self_attention.num_heads": 4,
    "decoder.first_layer.cross_attention.dropout": 0.15,
    "criterion.classification.weighting.gamma": 2.25,
    "criterion.matcher.cost.class_cost.alpha": 0.35,
    "criterion.matcher.cost.class_cost.gamma": 1.5,
    "postprocess.num_select": 120,
}
OWN = {
    "detr": {"criterion.classification.no_object_weight": 0.2},
    "dab_detr": {**DAB, "criterion.classification.weighting.alpha": 0.3},
    "align_dab_detr": {
        **DAB,
        "criterion.classification.target.alpha": 0.3,
        "criterion.classification.rank_weights.tau": 1.75,
        "criterion.match_num": [1, 3, 1],
    },
}


@pytest.fixture
def variant(variant_of):
    """Write an experiment over published/dense.py, as detrex writes its own."""
    return partial(variant_of, "dense")


@pytest.mark.parametrize("name", OWN)
def test_every_hyper_parameter_arrives(name, variant, value_at):
    expected = COMMON | OWN[name]
    model = LazyConfig.load(variant(name)).model
    assert {path: value_at(model, path) for path in expected} == expected


def image_with_a_box():
    instances = Instances((64, 96))
    instances.gt_boxes = Boxes(torch.tensor([[10.0, 10.0, 50.0, 40.0]]))
    instances.gt_classes = torch.tensor([3])
    return {"image": torch.rand(3, 64, 96), "height": 64, "width": 96, "instances": instances}


@pytest.mark.parametrize(
    ("name", "detections"), [("detr", 45), ("dab_detr", 120), ("align_dab_detr", 120)]
)
def test_the_model_trains_and_detects(name, detections, variant):
    model = instantiate(LazyConfig.load(variant(name)).model)
    losses = model([image_with_a_box()])
    assert len(losses) == 3 * 2  # terms, layers
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert len(model.eval()([image_with_a_box()])[0]["instances"]) == detections


DILATED = {  # as detrex and the official repository write "DC5"
    "TorchvisionResNet": (
        "from detrex.modeling.backbone.torchvision_resnet import TorchvisionResNet",
        'L(TorchvisionResNet)(name="resnet101", train_backbone=True, dilation=True, '
        'return_layers={"layer4": "res5"})',
        {"depth": 101, "freeze_at": 2, "norm": "FrozenBN", "res5_dilation": [1, 2]},
    ),
    "make_stage": (
        "from detrex.modeling.backbone import BasicStem, ResNet, make_stage",
        'L(ResNet)(stem=L(BasicStem)(norm="BN"), stages=L(make_stage)(depth=50, norm="BN", '
        'res5_dilation=2), out_features=["res5"], freeze_at=1)',
        {"depth": 50, "freeze_at": 1, "norm": "BN", "res5_dilation": [2, 2]},
    ),
}


@pytest.mark.parametrize("kind", DILATED)
def test_the_last_stage_is_dilated(kind, variant):
    line, text, expected = DILATED[kind]
    changes = ("from detectron2.config import LazyCall as L", line, f"model.backbone = {text}")
    levels = ("model.in_features = ['res5']", "model.in_channels = 2048")
    model = LazyConfig.load(variant("detr", *changes, *levels)).model
    assert {key: model.backbone[key] for key in expected} == expected
    built = instantiate(model)
    assert built.backbone.strides == {"res5": 16}
    assert len(built.eval()([image_with_a_box()])[0]["instances"]) == 45


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("dab_detr", "model.transformer.num_patterns = 3", "num_patterns is 3"),
        ("dab_detr", "model.transformer.decoder.modulate_hw_attn = False", "modulate_hw_attn"),
        ("dab_detr", "model.freeze_anchor_box_centers = False", "freeze_anchor_box_centers"),
        ("dab_detr", "model.criterion.loss_class_type = 'ce_loss'", "loss_class_type is 'ce_loss'"),
        ("detr", "model.criterion.loss_class_type = 'focal_loss'", "type is 'focal_loss'"),
        ("detr", "del model.criterion.loss_class_type", "type is 'focal_loss'"),  # by default
        ("detr", "model.transformer.decoder.post_norm = False", "decoder.post_norm is False"),
        ("detr", "del model.transformer.encoder.post_norm", "encoder.post_norm is True"),
        ("detr", "model.backbone.stages.num_groups = 32", "stages.num_groups is 32"),
        ("align_dab_detr", "model.criterion.match_number = [1, 3]", "match_number has 2 entries"),
    ],
)
def test_what_has_no_counterpart_is_refused(name, change, message, variant):
    with pytest.raises(ConfigError, match=message):
        LazyConfig.load(variant(name, change))


def test_what_a_file_leaves_out_is_the_default_of_their_class(variant):
    left_out = [
        f"del model.transformer.{part}.{key}"
        for part in ("encoder", "decoder")
        for key in ("feedforward_dim", "ffn_dropout", "attn_dropout")
    ]
    model = LazyConfig.load(variant("dab_detr", *left_out)).model
    for layer, dropout in ((model.encoder.layer, 0.1), (model.decoder.first_layer, 0.0)):
        assert (layer.ffn.feedforward_dim, layer.ffn.dropout) == (2048, dropout)
        assert layer.self_attention.dropout == dropout
