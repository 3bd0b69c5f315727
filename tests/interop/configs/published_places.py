"""Where a key of detrex' configs is in ours, for comparing what a file states with what is loaded.

A key that is not here has the same name in ours.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from omegaconf import DictConfig, OmegaConf

from aligndetr.config import locate
from aligndetr.criterions import NoObjectCrossEntropy, SigmoidClassification
from aligndetr.matchers import FocalCost, ProbabilityCost

BACKBONE = "model.backbone."
SWIN_OR_CONVNEXT = {
    "pretrain_img_size": "image_size",
    "embed_dim": "embed_dim",
    "depths": "depths",
    "num_heads": "num_heads",
    "window_size": "window_size",
    "drop_path_rate": "drop_path_rate",
    "in_chans": "num_channels",
    "dims": "hidden_sizes",
    "layer_scale_init_value": "layer_scale_init_value",
}
COST = "model.criterion.matcher.cost."
LOSS = "model.criterion.classification."
DECODER_LAYERS = ("model.decoder.layer.", "model.decoder.first_layer.")

# Of a list, every place that the config has is compared, and it must have one; of a tuple the first
# that it has.
PLACES: dict[str, list[str] | tuple[str, ...]] = {
    "dataloader.evaluator.dataset_name": ["dataloader.test.dataset.names"],
    "dataloader.test.mapper.img_format": ["dataloader.test.mapper.image_format"],
    "dataloader.train.mapper.img_format": ["dataloader.train.mapper.image_format"],
    "model.backbone.stages.depth": ["model.backbone.depth"],
    "model.backbone.stages.norm": ["model.backbone.norm"],
    "model.backbone.stages.res5_dilation": ["model.backbone.res5_dilation"],
    "model.backbone.stages.stride_in_1x1": ["model.backbone.stride_in_1x1"],
    "model.backbone.stem.in_channels": ["model.backbone.in_channels"],
    "model.backbone.stem.norm": ["model.backbone.norm"],
    "model.backbone.stem.out_channels": ["model.backbone.width"],
    "model.backbone.dilation": ["model.backbone.res5_dilation"],
    "model.backbone.name": ["model.backbone.depth"],
    "model.backbone.train_backbone": ["model.backbone.freeze_at"],
    "model.backbone.out_indices": ["model.backbone.out_features"],
    **{f"{BACKBONE}{key}": [f"{BACKBONE}config.{ours}"] for key, ours in SWIN_OR_CONVNEXT.items()},
    # of the function that makes a schedule: epochs, epoch of the decay, epochs of warm-up
    "lr_multiplier.argument0": ["lr_multiplier.scheduler.milestones.1"],
    "lr_multiplier.argument1": ["lr_multiplier.scheduler.milestones.0"],
    "lr_multiplier.argument2": ["lr_multiplier.warmup_length"],
    "model.box_noise_scale": ["model.denoiser.box_noise_scale"],
    "model.dn_number": ["model.denoiser.num_queries"],
    "model.label_noise_ratio": ["model.denoiser.label_noise_ratio"],
    "model.prior_init": ["model.decoder.class_head.prior", "model.query_source.class_head.prior"],
    "model.select_box_nums_for_evaluation": ["model.postprocess.num_select"],
    "model.k_one2many": ["model.criterion.copies"],
    "model.lambda_one2many": ["model.criterion.weight"],
    "model.num_queries_one2many": ["model.query_source.num_one_to_many"],
    "model.num_queries_one2one": ["model.num_queries"],
    "model.in_channels": ["model.neck.in_channels"],
    "model.in_features": ["model.neck.in_channels"],
    "model.neck.in_features": ["model.neck.in_channels"],
    "model.neck.norm_layer.num_channels": ["model.neck.out_channels"],
    "model.neck.norm_layer.num_groups": ["model.neck.num_groups"],
    "model.position_embedding.num_pos_feats": ["model.pyramid.position_embedding.num_features"],
    **{
        f"model.position_embedding.{key}": [f"model.pyramid.position_embedding.{key}"]
        for key in ("normalize", "offset", "temperature")
    },
    "model.criterion.alpha": (f"{LOSS}target.alpha", f"{LOSS}weighting.alpha"),
    "model.criterion.gamma": [f"{LOSS}weighting.gamma"],
    "model.criterion.tau": [f"{LOSS}rank_weights.tau"],
    "model.criterion.eos_coef": [f"{LOSS}no_object_weight"],
    "model.criterion.loss_class_type": [f"{LOSS}_target_"],
    "model.criterion.match_number": ["model.criterion.match_num"],
    "model.criterion.num_classes": ["model.num_classes"],
    "model.criterion.two_stage_binary_cls": ["model.criterion.class_agnostic_proposals"],
    "model.criterion.matcher.alpha": [f"{COST}class_cost.alpha"],
    "model.criterion.matcher.gamma": [f"{COST}class_cost.gamma"],
    "model.criterion.matcher.cost_class_type": [f"{COST}class_cost._target_"],
    **{
        f"model.criterion.matcher.cost_{term}": [f"{COST}{term}_weight"]
        for term in ("class", "bbox", "giou")
    },
    **{
        f"model.criterion.weight_dict.loss_{term}{suffix}": [f"model.criterion.weights.{term}"]
        for term in ("class", "bbox", "giou")
        for suffix in ("", "_dn")
    },
    "model.transformer.encoder.attn_dropout": (
        "model.encoder.layer.self_attention.dropout",
        "model.encoder.layer.dropout",
    ),
    "model.transformer.encoder.feedforward_dim": ["model.encoder.layer.ffn.feedforward_dim"],
    "model.transformer.encoder.ffn_dropout": ["model.encoder.layer.ffn.dropout"],
    "model.transformer.encoder.num_heads": ["model.encoder.layer.self_attention.num_heads"],
    "model.transformer.decoder.feedforward_dim": [
        f"{layer}ffn.feedforward_dim" for layer in DECODER_LAYERS
    ],
    "model.transformer.decoder.ffn_dropout": [f"{layer}ffn.dropout" for layer in DECODER_LAYERS],
    **{
        f"model.transformer.decoder.{key}": [
            f"{layer}{part}_attention.{ours}"
            for layer in DECODER_LAYERS
            for part in ("self", "cross")
        ]
        for key, ours in (("attn_dropout", "dropout"), ("num_heads", "num_heads"))
    },
    **{
        f"model.transformer.{part}.{key}": [ours.format(part)]
        for part in ("encoder", "decoder")
        for key, ours in (
            ("embed_dim", "model.embed_dim"),
            ("num_feature_levels", "model.neck.num_outs"),
            ("num_layers", "model.{}.num_layers"),
        )
    },
    "model.transformer.num_feature_levels": ["model.neck.num_outs"],
}

# Both branches of H-Deformable-DETR's criterion have the others.
BRANCHING = ("model.k_one2many", "model.lambda_one2many")
ABSENT = inspect.Parameter.empty

ITERATIONS = 7500  # of an epoch there
# How a value is written in ours, where that differs: (value, what ours has) -> expected.
WRITTEN: dict[str, Callable[[object, object], object]] = {
    "lr_multiplier.argument0": lambda value, ours: value * ITERATIONS,
    "lr_multiplier.argument1": lambda value, ours: value * ITERATIONS,
    "model.backbone.freeze_at": lambda value, ours: max(value, 0),
    "model.backbone.stages.res5_dilation": lambda value, ours: [value, value],
    "model.backbone.dilation": lambda value, ours: [1, 2] if value else [1, 1],
    "model.backbone.name": lambda value, ours: int(value.removeprefix("resnet")),
    "model.backbone.train_backbone": lambda value, ours: 2 if value else 5,
    "model.backbone.out_indices": lambda value, ours: [f"stage{index + 1}" for index in value],
    "model.in_channels": lambda value, ours: {next(iter(ours)): value},
    "model.in_features": lambda value, ours: {level(value[-1]): next(iter(ours.values()))},
    "model.neck.in_features": lambda value, ours: dict(
        zip(map(level, value), ours.values(), strict=True)
    ),
    "model.criterion.loss_class_type": lambda value, ours: {
        "focal_loss": SigmoidClassification,
        "ce_loss": NoObjectCrossEntropy,
    }[value],
    "model.criterion.matcher.cost_class_type": lambda value, ours: {
        "focal_loss_cost": FocalCost,
        "ce_cost": ProbabilityCost,
    }[value],
}

REFUSED = "loading refuses another value"
LAYERS = "of the weights for each layer, which have the stated ones"
# What is not compared, and why.
NOT_COMPARED = {
    "model.aux_loss": REFUSED,
    "model.freeze_anchor_box_centers": REFUSED,
    "model.input_format": REFUSED,
    "model.mixed_selection": REFUSED,
    "model.transformer.mixed_selection": REFUSED,
    "model.transformer.num_patterns": REFUSED,
    "model.transformer.two_stage_num_proposals": f"the number of queries; {REFUSED}",
    "model.transformer.decoder.look_forward_twice": REFUSED,
    "model.transformer.decoder.modulate_hw_attn": REFUSED,
    "model.transformer.decoder.post_norm": REFUSED,
    "model.transformer.decoder.return_intermediate": REFUSED,
    "model.transformer.encoder.post_norm": REFUSED,
    "model.backbone.return_layers.layer4": REFUSED,
    "model.as_two_stage": "it chooses the model, see test_relatives.py",
    "model.transformer.as_two_stage": "it chooses the model, see test_relatives.py",
    "model.with_box_refine": "it chooses the model, see test_relatives.py",
    "model.transformer.encoder.use_checkpoint": "memory for time; it changes no number",
    "model.transformer.decoder.use_checkpoint": "memory for time; it changes no number",
    "model.device": "train.device decides",
    "model.vis_period": "no pictures are made during training",
    "dataloader.train.mapper.mask_on": "boxes only",
    "dataloader.test.mapper.mask_on": "boxes only",
    "dataloader.evaluator.output_dir": "predictions are written into train.output_dir",
    "train.model_ema.device": "the average is where the model is",
    "train.model_ema.use_ema_weights_for_eval_only": "the average is used for nothing else",
    "optimizer.params.lr_factor_func": "a function, which stays what it is; it is called",
    "model.criterion.weight_dict": LAYERS,
    "model.criterion.weight_dict.update": LAYERS,
    "weight_dict": LAYERS,
    "weight_dict.update": LAYERS,
    "aux_weight_dict": LAYERS,
    "aux_weight_dict.update": LAYERS,
}


def level(name: str) -> str:
    """Levels of a transformer count from 0 there: "p1" is "stage2"."""
    return f"stage{int(name[1:]) + 1}" if name.startswith("p") else name


def differences(config: DictConfig, values: dict[str, object]) -> list[str]:
    """What a file states, by key, and a config of ours has otherwise or has no place for."""
    found = []
    for key, value in values.items():
        if key in NOT_COMPARED or _is_replaced(key, values):
            continue
        places = _places(config, key)
        if not places:
            found.append(f"{key} has no place")
        for place in places:
            ours = _at(config, place)
            expected = WRITTEN.get(key, lambda value, ours: value)(value, ours)
            if ours != expected:
                found.append(f"{key} is {expected!r}, {place} is {ours!r}")
    return found


def _is_replaced(key: str, values: dict[str, object]) -> bool:
    """A schedule made of epochs that later got other milestones."""
    milestones = "lr_multiplier.scheduler.milestones"
    return key.startswith("lr_multiplier.argument") and milestones in values


def _places(config: DictConfig, key: str) -> list[str]:
    """Where a config of ours has a foreign key."""
    candidates = PLACES.get(key, [key])
    if key.startswith("model.neck.input_shapes."):
        candidates = [f"model.neck.in_channels.{level(key.split('.')[3])}"]
    if "one_to_one" in config.model.criterion and key not in BRANCHING:
        both = [
            place.replace("criterion.", f"criterion.{branch}.", 1)
            for branch in ("one_to_one", "one_to_many")
            for place in candidates
        ]
        candidates = type(candidates)(dict.fromkeys(both))
    has = [place for place in candidates if _at(config, place) is not ABSENT]
    return has[:1] if isinstance(candidates, tuple) else has


def _at(config: DictConfig, place: str) -> object:
    """What a config has there as plain data; of a target the class.

    What a call leaves out is the default of what is called.
    """
    found = OmegaConf.select(config, place, default=ABSENT)
    if place.endswith("._target_") and isinstance(found, str):
        return locate(found)
    if found is not ABSENT:
        return OmegaConf.to_object(found) if OmegaConf.is_config(found) else found
    parent, _, name = place.rpartition(".")
    call = OmegaConf.select(config, parent)
    if not isinstance(call, DictConfig) or "_target_" not in call:
        return ABSENT
    target = locate(call._target_) if isinstance(call._target_, str) else call._target_
    parameter = inspect.signature(target).parameters.get(name)
    return ABSENT if parameter is None else parameter.default
