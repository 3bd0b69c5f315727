"""The section `criterion` of a model: losses, their weights and the matcher."""

from __future__ import annotations

from omegaconf import DictConfig

from aligndetr.config import get_config
from aligndetr.errors import ConfigError
from aligndetr.interop.configs.names import unknown
from aligndetr.interop.configs.section import Section

FOCAL = ("DINOCriterion", "DeformableCriterion", "SetCriterion", "TwoStageCriterion")
MATCH_NUM = {"AlignDETRCriterion": "match_num", "ManyToOneCriterion": "match_number"}
CLASS_COSTS = {
    "focal_loss_cost": "aligndetr.matchers.FocalCost",
    "ce_cost": "aligndetr.matchers.ProbabilityCost",
}
TERMS = ("class", "bbox", "giou")


def translate_criterion(source: Section, model: DictConfig) -> None:
    """Fill the criterion of our model; one of two branches has the same for both."""
    ours = model.criterion
    is_hybrid = "one_to_one" in ours
    filled = _fill(source, ours.one_to_one if is_hybrid else ours, model)
    if is_hybrid:
        ours.one_to_one = ours.one_to_many = filled
    else:
        model.criterion = filled


def _fill(source: Section, ours: DictConfig, model: DictConfig) -> DictConfig:
    if source.kind in MATCH_NUM:
        ours = get_config("models/aligndetr_r50.py").model.criterion
        ours.classification.rank_weights.tau = source.number("tau", 1.5)
        ours.match_num = source.take(MATCH_NUM[source.kind])
        _check_match_num(list(ours.match_num), source, model)
    elif source.kind not in FOCAL:
        raise unknown(str(source.target))
    elif _has_no_object(model):
        _softmax(source, ours.classification)
    else:
        ours.classification = get_config("models/dino_r50.py").model.criterion.classification
    if not _has_no_object(model):
        _sigmoid(source, ours.classification)
    source.demand("num_classes", model.num_classes, "which is not the model's num_classes")
    source.drop("losses", "class and boxes are always computed")
    # Deformable-DETR's own criterion always trains proposals to tell objects from none.
    is_binary = source.kind == "DeformableCriterion" and _proposes(model)
    ours.class_agnostic_proposals = source.take("two_stage_binary_cls", is_binary)
    ours.weights = _weights(source, model)
    _matcher(source.section("matcher"), ours.matcher)
    source.finish()
    return ours


def _sigmoid(source: Section, ours: DictConfig) -> None:
    """Focal loss, or AlignDETR's."""
    source.demand("loss_class_type", "focal_loss", "which this model's classes have no part for")
    source.drop("eos_coef", "it belongs to another loss")
    ours.weighting.gamma = source.number("gamma", 2.0)
    scored = ours.target if "alpha" in ours.target else ours.weighting
    scored.alpha = source.number("alpha", 0.25)


def _softmax(source: Section, ours: DictConfig) -> None:
    """Cross-entropy with "no object" as one more class."""
    source.values.setdefault("loss_class_type", "focal_loss")
    source.demand("loss_class_type", "ce_loss", "which needs a model without a class for nothing")
    source.drop("alpha", "it belongs to another loss")
    source.drop("gamma", "it belongs to another loss")
    ours.no_object_weight = source.number("eos_coef", 0.1)


def _has_no_object(model: DictConfig) -> bool:
    return "prior" not in model.decoder.class_head


def _proposes(model: DictConfig) -> bool:
    return "class_head" in model.query_source


def _check_match_num(match_num: list[int], source: Section, model: DictConfig) -> None:
    needed, name = model.decoder.num_layers + 1, MATCH_NUM[source.kind]
    if len(match_num) != needed:
        raise ConfigError(
            f"{source.path}.{name} has {len(match_num)} entries, needs {needed}: one for the "
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


def _weights(source: Section, model: DictConfig) -> dict[str, float]:
    """One weight a term; theirs are listed for every loss, and a loss not listed has weight 1."""
    given = source.take("weight_dict")
    made = loss_names(model.decoder.num_layers, _proposes(model), model.denoiser is not None)
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


def loss_names(num_layers: int, proposes: bool = True, denoises: bool = True) -> set[str]:
    """All losses of a model."""
    layers = ["", *(f"_{index}" for index in range(num_layers - 1))]
    suffixes = layers + (["_enc"] if proposes else [])
    suffixes += [f"_dn{layer}" for layer in layers] if denoises else []
    return {f"loss_{term}{suffix}" for term in TERMS for suffix in suffixes}
