"""The section `model`: AlignDETR and DINO, part by part into our own config of the same model."""

from __future__ import annotations

from omegaconf import DictConfig

from aligndetr.config import get_config
from aligndetr.errors import ConfigError
from aligndetr.interop.configs.names import is_foreign, unknown
from aligndetr.interop.configs.section import Section

MODELS = {"AlignDETR": "models/aligndetr_r50.py", "DINO": "models/dino_r50.py"}
CRITERIONS = {"AlignDETRCriterion": "AlignDETR", "DINOCriterion": "DINO"}
CLASS_COSTS = {
    "focal_loss_cost": "aligndetr.matchers.FocalCost",
    "ce_cost": "aligndetr.matchers.ProbabilityCost",
}
TERMS = ("class", "bbox", "giou")


def translate_model(source: Section) -> DictConfig:
    """Fill our config of the model with the published hyper-parameters."""
    if source.kind not in MODELS:
        raise unknown(str(source.target))
    model = get_config(MODELS[source.kind]).model
    model.embed_dim = source.take("embed_dim", 256)
    model.num_classes = source.take("num_classes")
    model.num_queries = source.take("num_queries")
    for key in ("pixel_mean", "pixel_std"):
        model[key] = source.take(key, model[key])
    _backbone(source, model)
    _neck(source.section("neck"), model)
    _position(source.section("position_embedding"), model)
    _transformer(source.section("transformer"), model)
    model.criterion = _criterion(source.section("criterion"), model)
    _denoiser(source, model)
    model.postprocess.num_select = source.take("select_box_nums_for_evaluation", 300)
    prior = source.number("prior_init", 0.01)
    model.query_source.class_head.prior = model.decoder.class_head.prior = prior
    source.demand("aux_loss", True, "and every layer has losses here")
    source.demand("input_format", "RGB", "which the mapper's image_format decides here")
    source.drop("device", "train.device decides")
    source.drop("vis_period", "see `aligndetr predict`")
    source.finish()
    return model


def _backbone(source: Section, model: DictConfig) -> None:
    if not is_foreign(source.values.get("backbone", {}).get("_target_")):
        model.backbone = source.take("backbone")  # its own package is installed
        return
    backbone = source.section("backbone")
    if backbone.kind != "ResNet":
        raise unknown(str(backbone.target))
    stem, stages = backbone.section("stem"), backbone.section("stages")
    ours = model.backbone
    ours.depth = stages.take("depth")
    ours.norm = stages.take("norm", "BN")
    ours.stride_in_1x1 = stages.take("stride_in_1x1", False)
    ours.freeze_at = backbone.take("freeze_at", 0)
    ours.out_features = backbone.take("out_features")
    ours.width = stem.take("out_channels", 64)
    ours.in_channels = stem.take("in_channels", 3)
    stem.demand("norm", ours.norm, "and stem and stages share one norm here")
    for section in (stem, stages, backbone):
        section.finish()


def _neck(source: Section, model: DictConfig) -> None:
    shapes = source.take("input_shapes")
    features = source.take("in_features")
    model.neck.in_channels = {name: shapes[name]["channels"] for name in features}
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


def _transformer(source: Section, model: DictConfig) -> None:
    levels = model.neck.num_outs
    source.demand("num_feature_levels", levels, "which is not the neck's num_outs")
    source.demand("two_stage_num_proposals", model.num_queries, "which is not num_queries")
    source.demand("learnt_init_query", True, "and content is learned here")
    encoder, decoder = source.section("encoder"), source.section("decoder")
    encoder.demand("post_norm", False, "which the encoder has no argument for")
    decoder.demand("return_intermediate", True, "and all layers are supervised here")
    decoder.demand("look_forward_twice", True, "see LookForwardTwice")
    for theirs, ours in ((encoder, model.encoder), (decoder, model.decoder)):
        theirs.demand("embed_dim", model.embed_dim, "which is not the model's embed_dim")
        theirs.demand("num_feature_levels", levels, "which is not the neck's num_outs")
        theirs.drop("use_checkpoint", "memory is not traded for time here")
        _layer(theirs, ours.layer)
        ours.num_layers = theirs.take("num_layers", 6)
        theirs.finish()
    source.finish()


def _layer(source: Section, layer: DictConfig) -> None:
    """Heads, widths and dropout of an encoder or decoder layer."""
    heads = source.take("num_heads", 8)
    points = source.take("num_points", 4)
    for name in ("self_attention", "cross_attention"):
        if name in layer:
            layer[name].num_heads = heads
            if "num_points" in layer[name]:
                layer[name].num_points = points
    layer.ffn.feedforward_dim = source.take("feedforward_dim", 1024)
    layer.ffn.dropout = source.number("ffn_dropout", 0.1)
    layer.dropout = source.number("attn_dropout", 0.1)
    if "dropout" in layer.self_attention:
        layer.self_attention.dropout = layer.dropout


def _denoiser(source: Section, model: DictConfig) -> None:
    model.denoiser.num_queries = source.take("dn_number", 100)
    model.denoiser.label_noise_ratio = source.number("label_noise_ratio", 0.2)
    model.denoiser.box_noise_scale = source.number("box_noise_scale", 1.0)


def _criterion(source: Section, model: DictConfig) -> DictConfig:
    if source.kind not in CRITERIONS:
        raise unknown(str(source.target))
    criterion = get_config(MODELS[CRITERIONS[source.kind]]).model.criterion
    loss = criterion.classification
    loss.weighting.gamma = source.number("gamma", 2.0)
    scored = loss.target if "alpha" in loss.target else loss.weighting
    scored.alpha = source.number("alpha", 0.25)
    if "rank_weights" in loss:
        loss.rank_weights.tau = source.number("tau", 1.5)
        criterion.match_num = source.take("match_num")
        _check_match_num(list(criterion.match_num), source, model)
    source.demand("num_classes", model.num_classes, "which is not the model's num_classes")
    source.demand("loss_class_type", "focal_loss", "which DINO's criterion does not know here")
    source.drop("losses", "class and boxes are always computed")
    source.drop("eos_coef", "it belongs to another loss")
    criterion.class_agnostic_proposals = source.take("two_stage_binary_cls", False)
    criterion.weights = _weights(source, model.decoder.num_layers)
    _matcher(source.section("matcher"), criterion.matcher)
    source.finish()
    return criterion


def _check_match_num(match_num: list[int], source: Section, model: DictConfig) -> None:
    needed = model.decoder.num_layers + 1
    if len(match_num) != needed:
        raise ConfigError(
            f"{source.path}.match_num has {len(match_num)} entries, needs {needed}: one for the "
            "proposals and one for each decoder layer"
        )


def _matcher(source: Section, matcher: DictConfig) -> None:
    alpha, gamma = source.number("alpha", 0.25), source.number("gamma", 2.0)
    kind = source.take("cost_class_type", "focal_loss_cost")
    if kind not in CLASS_COSTS:
        raise ConfigError(f"{source.path}.cost_class_type {kind!r}: choose among {[*CLASS_COSTS]}")
    arguments = {"alpha": alpha, "gamma": gamma} if kind == "focal_loss_cost" else {}
    matcher.cost.class_cost = {"_target_": CLASS_COSTS[kind], **arguments}
    matcher.cost.class_weight = source.number("cost_class", 1)
    matcher.cost.bbox_weight = source.number("cost_bbox", 1)
    matcher.cost.giou_weight = source.number("cost_giou", 1)
    source.finish()


def _weights(source: Section, num_layers: int) -> dict[str, float]:
    """One weight a term; theirs are listed for every loss, and a loss not listed has weight 1."""
    given = source.take("weight_dict")
    made = loss_names(num_layers)
    for name in sorted(given.keys() - made):
        source.report.add(f"{source.path}.weight_dict.{name}", "not used, no such loss is made")
    found = {
        term: {float(given.get(name, 1)) for name in made if name.startswith(f"loss_{term}")}
        for term in TERMS
    }
    several = {term: sorted(values) for term, values in found.items() if len(values) > 1}
    if several:
        raise ConfigError(
            f"{source.path}.weight_dict: a term has one weight in all layers here, and a loss that "
            f"is not listed has weight 1; got {several}"
        )
    return {term: values.pop() for term, values in found.items()}


def loss_names(num_layers: int) -> set[str]:
    """All losses of a model with proposals and denoising."""
    layers = ["", *(f"_{index}" for index in range(num_layers - 1))]
    suffixes = [*layers, "_enc", *(f"_dn{layer}" for layer in layers)]
    return {f"loss_{term}{suffix}" for term in TERMS for suffix in suffixes}
