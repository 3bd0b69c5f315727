"""Deformable-DETR, H-Deformable-DETR and DAB-Deformable-DETR, and DINO with other backbones."""

from __future__ import annotations

from functools import partial

import pytest

from aligndetr.config import LazyConfig, instantiate
from aligndetr.errors import ConfigError
from aligndetr.modeling.refinement import FixedAnchors, IterativeRefinement, LookForwardTwice

# As published/relatives.py has them, in the places where our models have them.
COMMON = {
    "num_classes": 11,
    "num_queries": 45,
    "embed_dim": 64,
    "pixel_mean": [101.0, 102.0, 103.0],
    "pixel_std": [51.0, 52.0, 53.0],
    "backbone.depth": 101,
    "backbone.freeze_at": 0,  # -1 there
    "backbone.out_features": ["res4", "res5"],
    "neck.in_channels": {"res4": 1024, "res5": 2048},
    "neck.num_outs": 3,
    "neck.num_groups": 16,
    "pyramid.position_embedding.num_features": 32,
    "pyramid.position_embedding.temperature": 30,
    "pyramid.position_embedding.offset": -0.25,
    "encoder.num_layers": 1,
    "encoder.layer.self_attention.num_heads": 4,
    "encoder.layer.ffn.feedforward_dim": 80,
    "encoder.layer.ffn.dropout": 0.05,
    "encoder.layer.dropout": 0.15,
    "decoder.num_layers": 2,
    "decoder.layer.self_attention.num_heads": 4,
    "decoder.layer.self_attention.dropout": 0.15,
    "decoder.layer.cross_attention.num_heads": 4,
    "decoder.layer.ffn.feedforward_dim": 96,
    "decoder.layer.ffn.dropout": 0.05,
    "decoder.layer.dropout": 0.15,
    "postprocess.num_select": 120,
}
CRITERION = {
    "classification.weighting.alpha": 0.3,
    "classification.weighting.gamma": 2.25,
    "matcher.cost.class_cost.alpha": 0.35,
    "matcher.cost.class_cost.gamma": 1.5,
    "matcher.cost.class_weight": 1.25,
    "matcher.cost.bbox_weight": 3.5,
    "matcher.cost.giou_weight": 2.75,
    "weights": {"class": 1.5, "bbox": 4.5, "giou": 2.5},
}
VARIANTS = {  # flags -> query source, refinement, parameters that only this variant has
    ("deformable", False, False): ("LearnedQueries", FixedAnchors, "query_source.embedding.weight"),
    ("deformable", True, False): ("LearnedQueries", IterativeRefinement, "decoder.box_heads.1"),
    ("deformable", True, True): ("ProposedQueries", IterativeRefinement, "query_source.class_head"),
    ("h_deformable", True, True): ("HybridQueries", LookForwardTwice, "query_source.content"),
    ("dab_deformable", None, False): (
        "LearnedContentAnchors",
        IterativeRefinement,
        "query_source.anchors",
    ),
    ("dab_deformable", None, True): ("TokenQueries", IterativeRefinement, "query_source.box_head"),
}


@pytest.fixture
def variant(variant_of):
    """Write an experiment over published/relatives.py, as detrex writes its own."""
    return partial(variant_of, "relatives")


@pytest.mark.parametrize(("flags", "expected"), VARIANTS.items(), ids=str)
def test_every_hyper_parameter_of_a_relative_arrives(flags, expected, variant, value_at):
    name, refines, proposes = flags
    changes = [f"model.as_two_stage = {proposes}"]
    changes += [] if refines is None else [f"model.with_box_refine = {refines}"]
    model = LazyConfig.load(variant(name, *changes)).model
    assert {path: value_at(model, path) for path in COMMON} == COMMON
    branches = [model.criterion]
    if name == "h_deformable":
        assert (model.criterion.copies, model.criterion.weight) == (3, 0.75)
        assert model.query_source.num_one_to_many == 55
        branches = [model.criterion.one_to_one, model.criterion.one_to_many]
    for criterion in branches:
        assert {path: value_at(criterion, path) for path in CRITERION} == CRITERION
        # Its authors' proposals tell objects from none; DAB's are trained with the classes.
        assert criterion.get("class_agnostic_proposals", False) == (
            bool(proposes) and name != "dab_deformable"
        )
    built = instantiate(model)
    source, refinement, parameter = expected
    assert type(built.query_source).__name__ == source
    assert isinstance(built.decoder.refinement, refinement)
    assert any(key.startswith(parameter) for key in built.state_dict())


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("h_deformable", "model.as_two_stage = True", "with_box_refine=False and as_two_stage=T"),
        ("deformable", "model.as_two_stage = True", "with_box_refine=False and as_two_stage=T"),
        ("deformable", "model.transformer.as_two_stage = True", "transformer.as_two_stage is True"),
        ("deformable", "model.backbone.stages.res5_dilation = 2", "stages.res5_dilation is 2"),
    ],
)
def test_what_has_no_counterpart_is_refused(name, change, message, variant):
    with pytest.raises(ConfigError, match=message):
        LazyConfig.load(variant(name, change))


BACKBONES = {
    "from detectron2.modeling.backbone import SwinTransformer": (
        """L(SwinTransformer)(
            pretrain_img_size=96, embed_dim=8, depths=(2, 2, 6, 2), num_heads=(1, 2, 4, 8),
            window_size=5, drop_path_rate=0.3, out_indices=(1, 3), frozen_stages=0)""",
        "swin",
        {
            "image_size": 96,
            "embed_dim": 8,
            "depths": [2, 2, 6, 2],
            "num_heads": [1, 2, 4, 8],
            "window_size": 5,
            "drop_path_rate": 0.3,
        },
        1,  # the embedding alone
    ),
    "from detrex.modeling.backbone import ConvNeXt": (
        """L(ConvNeXt)(
            in_chans=3, depths=[1, 1, 2, 1], dims=[8, 16, 32, 64], drop_path_rate=0.2,
            layer_scale_init_value=0.5, out_indices=[1, 3])""",
        "convnext",
        {
            "depths": [1, 1, 2, 1],
            "hidden_sizes": [8, 16, 32, 64],
            "drop_path_rate": 0.2,
            "layer_scale_init_value": 0.5,
        },
        0,
    ),
}


@pytest.mark.parametrize(("line", "case"), BACKBONES.items(), ids=["swin", "convnext"])
def test_backbones_of_transformers(line, case, variant):
    pytest.importorskip("transformers")
    text, kind, sizes, frozen = case
    shapes = '{"p1": ShapeSpec(channels=16), "p3": ShapeSpec(channels=64)}'
    path = variant(
        "deformable",
        "from detectron2.config import LazyCall as L",
        "from detectron2.layers import ShapeSpec",
        line,
        f"model.backbone = {text}",
        f"model.neck.input_shapes = {shapes}",
        'model.neck.in_features = ["p1", "p3"]',
    )
    model = LazyConfig.load(path).model
    assert model.backbone.name_or_config == kind
    assert {key: model.backbone.config[key] for key in sizes} == sizes
    assert model.backbone.freeze_at == frozen
    assert model.neck.in_channels == {"stage2": 16, "stage4": 64}
    built = instantiate(model)
    assert built.backbone.channels == {"stage2": 16, "stage4": 64}
    assert built.backbone.strides == {"stage2": 8, "stage4": 32}
