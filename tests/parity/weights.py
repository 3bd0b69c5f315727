"""Published names of our parameters, and published weights in our models."""

from __future__ import annotations

import re

from torch import Tensor, nn

from tests.parity.golden import filled

RULES = [
    (r"pyramid\.level_embedding", "transformer.level_embeds"),
    (r"encoder\.layers\.(\d+)\.self_attention\.", r"transformer.encoder.layers.\1.attentions.0."),
    (
        r"decoder\.layers\.(\d+)\.self_attention\.",
        r"transformer.decoder.layers.\1.attentions.0.attn.",
    ),
    (r"decoder\.layers\.(\d+)\.cross_attention\.", r"transformer.decoder.layers.\1.attentions.1."),
    (
        r"(encoder|decoder)\.layers\.(\d+)\.norm(\d)\.",
        lambda m: f"transformer.{m[1]}.layers.{m[2]}.norms.{int(m[3]) - 1}.",
    ),
    (
        r"(encoder|decoder)\.layers\.(\d+)\.ffn\.linear1\.",
        r"transformer.\1.layers.\2.ffns.0.layers.0.0.",
    ),
    (
        r"(encoder|decoder)\.layers\.(\d+)\.ffn\.linear2\.",
        r"transformer.\1.layers.\2.ffns.0.layers.1.",
    ),
    (r"query_source\.memory_proj\.", "transformer.enc_output."),
    (r"query_source\.memory_norm\.", "transformer.enc_output_norm."),
    (r"query_source\.content\.", "transformer.tgt_embed."),
    (r"decoder\.norm\.", "transformer.decoder.norm."),
    (r"decoder\.position_mlp\.", "transformer.decoder.ref_point_head."),
    (r"decoder\.class_heads\.", "class_embed."),
    (r"decoder\.box_heads\.", "bbox_embed."),
    (r"denoiser\.label_embedding\.", "label_enc."),
]


def published_name(key: str, num_layers: int) -> str:
    key = key.replace("query_source.class_head.", f"decoder.class_heads.{num_layers}.")
    key = key.replace("query_source.box_head.", f"decoder.box_heads.{num_layers}.")
    for pattern, new in RULES:
        if re.match(pattern, key):
            return re.sub(f"^{pattern}", new, key)
    return key


def canonical(name: str) -> str:
    """The first of a tensor's published aliases: the decoder's heads are the model's."""
    return re.sub(r"^transformer\.decoder\.(class|bbox)_embed\.", r"\1_embed.", name)


def load_published(model: nn.Module) -> None:
    layers = len(model.decoder.layers)
    state = {k: filled(published_name(k, layers), v.shape) for k, v in model.state_dict().items()}
    model.load_state_dict(state)


def gradient_norms(model: nn.Module) -> dict[str, Tensor]:
    """Gradient norm of every trained parameter by published name; no gradient counts as 0."""
    layers = len(model.decoder.layers)
    return {
        published_name(name, layers): p.new_zeros(()) if p.grad is None else p.grad.norm()
        for name, p in model.named_parameters()
        if p.requires_grad
    }
