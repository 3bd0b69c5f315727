"""The sections `backbone` and `neck` of a model, or what DETR has in place of a neck."""

from __future__ import annotations

from omegaconf import DictConfig

from aligndetr.errors import ConfigError
from aligndetr.interop.configs.names import is_foreign, unknown
from aligndetr.interop.configs.section import Section

# Arguments of their stages, which ours has not.
PLAIN_BLOCKS = {"num_groups": 1, "dilation": 1, "deform_on_per_stage": [False] * 4}
TRANSFORMERS = "aligndetr.modeling.backbone.TransformersBackbone"


def translate_backbone(source: Section, model: DictConfig) -> None:
    """ResNet becomes ours; Swin and ConvNeXt those of transformers; an installed one stays."""
    if not is_foreign(source.values.get("backbone", {}).get("_target_")):
        model.backbone = source.take("backbone")  # its own package is installed
        return
    backbone = source.section("backbone")
    if backbone.kind not in BACKBONES:
        raise unknown(str(backbone.target))
    BACKBONES[backbone.kind](backbone, model)
    backbone.finish()


def _resnet(source: Section, model: DictConfig) -> None:
    stem, stages = source.section("stem"), source.section("stages")
    if stages.kind not in ("make_default_stages", "make_stage"):
        raise unknown(str(stages.target))
    ours = model.backbone
    ours.depth = stages.take("depth")
    ours.norm = stages.take("norm", "BN")
    ours.stride_in_1x1 = stages.take("stride_in_1x1", False)
    ours.freeze_at = max(source.take("freeze_at", 0), 0)  # there, anything below 1 freezes nothing
    ours.out_features = source.take("out_features")
    ours.width = stem.take("out_channels", 64)
    ours.in_channels = stem.take("in_channels", 3)
    stem.demand("norm", ours.norm, "and stem and stages share one norm here")
    if stages.kind == "make_stage":  # detectron2's has no argument of this name
        ours.res5_dilation = [stages.take("res5_dilation", 1)] * 2
    for key, value in {**PLAIN_BLOCKS, "res5_dilation": 1, "in_channels": ours.width}.items():
        stages.demand(key, value, "which our ResNet has no argument for")
    stem.finish()
    stages.finish()


def _torchvision_resnet(source: Section, model: DictConfig) -> None:
    """DETR's backbone: nothing before res3 is trained, and norms nowhere."""
    name, level = source.take("name"), {"layer4": "res5"}
    if name not in (f"resnet{depth}" for depth in (50, 101, 152)):
        raise ConfigError(f"{source.path}.name {name!r} has no counterpart here")
    source.demand("return_layers", level, "which is not DETR's level")
    ours = model.backbone
    ours.depth = int(name.removeprefix("resnet"))
    ours.freeze_at = 2 if source.take("train_backbone") else 5
    ours.res5_dilation = [1, 2] if source.take("dilation", False) else [1, 1]


def _swin(source: Section, model: DictConfig) -> None:
    sizes = {
        "image_size": source.take("pretrain_img_size", 224),
        "embed_dim": source.take("embed_dim", 96),
        "depths": list(source.take("depths", (2, 2, 6, 2))),
        "num_heads": list(source.take("num_heads", (3, 6, 12, 24))),
        "window_size": source.take("window_size", 7),
        "mlp_ratio": source.number("mlp_ratio", 4.0),
        "qkv_bias": source.take("qkv_bias", True),
        "hidden_dropout_prob": source.number("drop_rate", 0.0),
        "attention_probs_dropout_prob": source.number("attn_drop_rate", 0.0),
        "drop_path_rate": source.number("drop_path_rate", 0.2),
        "use_absolute_embeddings": source.take("ape", False),
    }
    source.demand("patch_norm", True, "and patches are always normalised here")
    source.drop("use_checkpoint", "see train.recompute")
    _of_transformers("swin", sizes, source, model)


def _convnext(source: Section, model: DictConfig) -> None:
    sizes = {
        "num_channels": source.take("in_chans", 3),
        "depths": list(source.take("depths", (3, 3, 9, 3))),
        "hidden_sizes": list(source.take("dims", (96, 192, 384, 768))),
        "drop_path_rate": source.number("drop_path_rate", 0.0),
        "layer_scale_init_value": source.number("layer_scale_init_value", 1e-6),
    }
    _of_transformers("convnext", sizes, source, model)


def _of_transformers(kind: str, sizes: dict, source: Section, model: DictConfig) -> None:
    model.backbone = {
        "_target_": TRANSFORMERS,
        "name_or_config": kind,
        "out_features": [f"stage{i + 1}" for i in source.take("out_indices", (0, 1, 2, 3))],
        "config": sizes,
        "freeze_at": max(source.take("frozen_stages", -1), -1) + 1,
    }


BACKBONES = {
    "ResNet": _resnet,
    "TorchvisionResNet": _torchvision_resnet,
    "SwinTransformer": _swin,
    "ConvNeXt": _convnext,
}


def _our_level(name: str, model: DictConfig) -> str:
    """Their transformers number the levels from 0 ("p1"), those of the library from 1."""
    if model.backbone._target_ != TRANSFORMERS:
        return name
    if not (name.startswith("p") and name[1:].isdigit()):
        raise ConfigError(f"model.neck.in_features: the backbone has no level {name!r}")
    return f"stage{int(name[1:]) + 1}"


def translate_neck(source: Section, model: DictConfig) -> None:
    """One projection a level, and further levels after the last."""
    shapes = source.take("input_shapes")
    features = source.take("in_features")
    model.neck.in_channels = {
        _our_level(name, model): shapes[name]["channels"] for name in features
    }
    model.neck.num_outs = source.take("num_outs")
    model.neck.kernel_size = source.take("kernel_size", 3)
    source.demand("out_channels", model.embed_dim, "which is not the model's embed_dim")
    norm = source.section("norm_layer")
    model.neck.num_groups = norm.take("num_groups")
    norm.demand("num_channels", model.embed_dim, "which is not the model's embed_dim")
    activation = source.take("activation", None)
    if activation is not None:
        model.neck.activation = activation
    norm.finish()
    source.finish()


def translate_projection(source: Section, model: DictConfig) -> None:
    """A convolution on the last of the levels that are named."""
    last = source.take("in_features")[-1]
    model.neck.in_channels = {_our_level(last, model): source.take("in_channels")}
