"""The section `model.transformer`: encoder, decoder, and what the queries start from."""

from __future__ import annotations

from omegaconf import DictConfig

from aligndetr.interop.configs.section import Section


def translate_transformer(source: Section, model: DictConfig, queries: int) -> None:
    """Fill encoder and decoder.

    Args:
        source: the foreign section.
        model: ours, whose neck is filled.
        queries: how many there are in training.
    """
    _queries(source, model, queries)
    encoder, decoder = source.section("encoder"), source.section("decoder")
    encoder.values.setdefault("post_norm", encoder.kind == "DetrTransformerEncoder")
    encoder.demand("post_norm", False, "which the encoder has no argument for")
    decoder.demand("post_norm", True, "and the last layer's result is normalised here")
    decoder.demand("return_intermediate", True, "and all layers are supervised here")
    decoder.demand("look_forward_twice", True, "see LookForwardTwice")
    decoder.demand("modulate_hw_attn", True, "and attention looks at the anchor's size here")
    first = [model.decoder.first_layer] if "first_layer" in model.decoder else []
    for theirs, ours, others in ((encoder, model.encoder, []), (decoder, model.decoder, first)):
        _layers(theirs, [ours.layer, *others], model)
        ours.num_layers = theirs.take("num_layers", 6)
        theirs.finish()
    source.finish()


def _queries(source: Section, model: DictConfig, queries: int) -> None:
    proposes = "class_head" in model.query_source
    _demand_levels(source, model)
    if proposes:
        source.demand("two_stage_num_proposals", queries, "which is not the number of queries")
    source.drop("two_stage_num_proposals", "nothing is proposed")
    source.demand("as_two_stage", proposes, "unlike the model's")
    source.demand("learnt_init_query", True, "and content is learned here")
    source.demand("mixed_selection", True, "and content is learned here")
    source.demand("num_patterns", 0, "and an anchor is one query here")


def _demand_levels(source: Section, model: DictConfig) -> None:
    levels = model.neck.get("num_outs", 1)
    source.demand("num_feature_levels", levels, "which is not the number of the neck's outputs")


def _layers(source: Section, layers: list[DictConfig], model: DictConfig) -> None:
    """Heads, widths and dropout of the layers of an encoder or decoder, which share them."""
    _demand_levels(source, model)
    source.demand("embed_dim", model.embed_dim, "which is not the model's embed_dim")
    source.drop("use_checkpoint", "memory is not traded for time here")
    source.drop("batch_first", "it changes no number")
    heads, points = source.take("num_heads", 8), source.take("num_points", 4)
    is_dense = source.kind.startswith(("DetrTransformer", "DabDetrTransformer"))
    default = 0.0 if source.kind == "DabDetrTransformerDecoder" else 0.1
    feed_forward = {
        "feedforward_dim": source.take("feedforward_dim", 2048 if is_dense else 1024),
        "dropout": source.number("ffn_dropout", default),
    }
    if "activation" in source.values:
        feed_forward["activation"] = source.take("activation")
    dropout = source.number("attn_dropout", default)
    attention = {"num_heads": heads, "num_points": points, "dropout": dropout}
    for layer in layers:
        layer.ffn.update(feed_forward)
        for part in ("self_attention", "cross_attention"):
            ours = layer.get(part, {})
            ours.update({key: value for key, value in attention.items() if key in ours})
        if not is_dense:  # dense attention drops weights there, and nothing of its result
            layer.dropout = dropout
