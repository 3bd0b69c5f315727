"""Hugging Face's DETR in the sizes of one of ours; needs `transformers`."""

from __future__ import annotations

import copy
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from aligndetr.interop.load import load_state
from aligndetr.interop.raw_checkpoint import RawCheckpoint
from aligndetr.modeling import Detector

NOTHING_DRAWN = (  # at random
    "model.encoder.layer.self_attention.dropout=0",
    "model.encoder.layer.ffn.dropout=0",
    "model.decoder.layer.self_attention.dropout=0",
    "model.decoder.layer.cross_attention.dropout=0",
    "model.decoder.layer.ffn.dropout=0",
)


def take_common_backbone(model: DictConfig) -> None:
    """Give the model of `detr_tiny` a backbone that both have."""
    backbone = model.backbone
    backbone.depth, backbone.width, backbone.norm = 50, 8, "FrozenBN"
    backbone.out_features, model.neck.in_channels = ["res5"], {"res5": 256}


def build_theirs(ours: Detector) -> Any:
    """Their model, losses included, with random weights.

    Args:
        ours: of equal sizes, with the common backbone.
    """
    import transformers

    backbone = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[32, 64, 128, 256],
        depths=[3, 4, 6, 3],
        layer_type="bottleneck",
        out_features=["stage4"],
    )
    layer = ours.decoder.layers[0]
    heads, width = layer.self_attention.num_heads, layer.ffn.linear1.out_features
    config = transformers.DetrConfig(
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config=backbone,
        num_labels=ours.num_classes,
        d_model=ours.embed_dim,
        num_queries=ours.num_queries,
        encoder_layers=len(ours.encoder.layers),
        decoder_layers=len(ours.decoder.layers),
        dropout=0.0,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=width,
        decoder_ffn_dim=width,
    )
    return transformers.DetrForObjectDetection(config)


class HuggingFaceDetr(nn.Module):
    """The whole of their DETR, matcher and losses included, on what our detector is given.

    With `auxiliary_loss` their decoder hands normalized states on from layer to layer (transformers
    5.23), unlike the published one and theirs without it. So it is left out of the model, and each
    layer's predictions come from what the layers return.

    Args:
        ours: see `build_theirs`; it prepares images and targets, and gets the same initial weights.
    """

    def __init__(self, ours: Detector) -> None:
        super().__init__()
        self.theirs = build_theirs(ours)
        self.theirs.model.backbone.requires_grad_(True)
        load_state(ours, RawCheckpoint("Hugging Face", self.theirs.state_dict()), strict=True)
        self._prepare, self._targets = ours.preprocess, ours.targets
        self._of_losses = copy.deepcopy(self.theirs.config)
        self._of_losses.auxiliary_loss = True
        self._states: list[Tensor] = []
        for layer in self.theirs.model.decoder.layers:
            layer.register_forward_hook(lambda *call: self._states.append(call[-1]))

    def forward(self, batch: list[dict]) -> dict[str, Tensor]:
        """Their loss."""
        images, targets = self._prepare(batch), self._targets(batch)
        labels = [
            {"class_labels": names, "boxes": boxes.to(images.pixels)}
            for names, boxes in zip(targets.labels, targets.boxes, strict=True)
        ]
        self._states.clear()
        self.theirs.model(images.pixels, (~images.padding).long())
        states = self.theirs.model.decoder.layernorm(torch.stack(self._states))
        logits = self.theirs.class_labels_classifier(states)
        boxes = self.theirs.bbox_predictor(states).sigmoid()
        of_last = (logits[-1], labels, logits.device, boxes[-1])
        loss, *_ = self.theirs.loss_function(*of_last, self._of_losses, logits, boxes)
        return {"loss": loss}
