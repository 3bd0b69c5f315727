"""The section `model`: DETR's family, part by part into our own config of the same model."""

from __future__ import annotations

from omegaconf import DictConfig

from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.errors import ConfigError
from aligndetr.interop.configs.backbone import (
    translate_backbone,
    translate_neck,
    translate_projection,
)
from aligndetr.interop.configs.criterion import translate_criterion
from aligndetr.interop.configs.names import unknown
from aligndetr.interop.configs.section import Section
from aligndetr.interop.configs.transformer import translate_transformer

# Their class, and whether it refines boxes and proposes -> our config of that model.
MODELS = {
    ("AlignDETR", None, None): "configs/models/aligndetr_r50.py",
    ("DINO", None, None): "configs/models/dino_r50.py",
    ("DETR", None, None): "configs/models/detr_r50.py",
    ("DABDETR", None, None): "configs/models/dab_detr_r50.py",
    ("AlignDABDETR", None, None): "configs/models/align_dab_detr_r50.py",
    ("DeformableDETR", False, False): "deformable_detr_r50_50ep",
    ("DeformableDETR", True, False): "deformable_detr_r50_with_box_refinement_50ep",
    ("DeformableDETR", True, True): "deformable_detr_r50_two_stage_50ep",
    ("HDeformableDETR", True, True): "h_deformable_detr_r50_two_stage_12ep",
    ("DabDeformableDETR", None, False): "dab_deformable_detr_r50_50ep",
    ("DabDeformableDETR", None, True): "dab_deformable_detr_r50_two_stage_50ep",
}


def translate_model(source: Section) -> DictConfig:
    """Fill our config of the model with the published hyper-parameters."""
    model = _our_config(source)
    model.embed_dim = source.take("embed_dim", 256)
    model.num_classes = source.take("num_classes")
    queries = _queries(source, model)
    for key in ("pixel_mean", "pixel_std"):
        model[key] = source.take(key, model[key])
    translate_backbone(source, model)
    if "neck" in source.values:
        translate_neck(source.section("neck"), model)
    else:
        translate_projection(source, model)
    _position(source.section("position_embedding"), model)
    translate_transformer(source.section("transformer"), model, queries)
    translate_criterion(source.section("criterion"), model)
    if model.denoiser is not None:
        _denoiser(source, model)
    _heads(source, model)
    source.demand("aux_loss", True, "and every layer has losses here")
    source.demand("input_format", "RGB", "which the mapper's image_format decides here")
    source.drop("device", "train.device decides")
    source.drop("vis_period", "see `aligndetr predict`")
    source.finish()
    return model


def _our_config(source: Section) -> DictConfig:
    known = [key for key in MODELS if key[0] == source.kind]
    if not known:
        raise unknown(str(source.target))
    options = [
        source.take(name, False) if any(key[place] is not None for key in known) else None
        for place, name in enumerate(("with_box_refine", "as_two_stage"), start=1)
    ]
    refines, proposes = options
    key = (source.kind, refines, proposes)
    if key not in MODELS:
        raise ConfigError(
            f"{source.path}: {source.kind} with with_box_refine={refines} and "
            f"as_two_stage={proposes} has no counterpart here"
        )
    return LazyConfig.load(resolve_config(MODELS[key])).model


def _queries(source: Section, model: DictConfig) -> int:
    """Fill in the numbers of queries; return how many there are in training."""
    if source.kind != "HDeformableDETR":
        model.num_queries = source.take("num_queries")
        return model.num_queries
    model.num_queries = source.take("num_queries_one2one")
    model.query_source.num_one_to_many = source.take("num_queries_one2many")
    model.criterion.copies = source.take("k_one2many", 6)
    model.criterion.weight = source.number("lambda_one2many", 1.0)
    source.demand("mixed_selection", True, "and content is learned here")
    return model.num_queries + model.query_source.num_one_to_many


def _position(source: Section, model: DictConfig) -> None:
    if source.kind != "PositionEmbeddingSine":
        raise unknown(str(source.target))
    ours = model.pyramid.position_embedding
    ours.num_features = source.take("num_pos_feats", 64)
    ours.temperature = source.take("temperature", 10000)
    ours.normalize = source.take("normalize", False)
    ours.offset = source.number("offset", 0.0)
    ours.eps = source.number("eps", 1e-6)
    source.finish()


def _heads(source: Section, model: DictConfig) -> None:
    """What is left and right of the decoder: where anchors and class scores start, what is kept."""
    source.demand("freeze_anchor_box_centers", True, "and centres start anywhere in the image here")
    if "num_select" in model.postprocess:
        model.postprocess.num_select = source.take("select_box_nums_for_evaluation", 300)
    prior = source.number("prior_init", 0.01)
    for head in (model.query_source.get("class_head"), model.decoder.class_head):
        if head is not None and "prior" in head:
            head.prior = prior


def _denoiser(source: Section, model: DictConfig) -> None:
    model.denoiser.num_queries = source.take("dn_number", 100)
    model.denoiser.label_noise_ratio = source.number("label_noise_ratio", 0.2)
    model.denoiser.box_noise_scale = source.number("box_noise_scale", 1.0)
