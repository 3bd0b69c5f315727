"""DETR of transformers: our model with its converted weights says the same."""

import pytest
import torch

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.interop.load import load_state
from aligndetr.interop.raw_checkpoint import RawCheckpoint


def build_ours():
    config = LazyConfig.load(resolve_config("detr_tiny"))
    model = config.model
    model.num_classes = 6
    model.backbone.depth, model.backbone.width, model.backbone.norm = 50, 8, "FrozenBN"
    model.backbone.out_features, model.neck.in_channels = ["res5"], {"res5": 256}
    return instantiate(model).double().eval()


def build_theirs():
    """A random model from a config alone."""
    transformers = pytest.importorskip("transformers")
    backbone = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[32, 64, 128, 256],
        depths=[3, 4, 6, 3],
        layer_type="bottleneck",
        out_features=["stage4"],
    )
    config = transformers.DetrConfig(
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config=backbone,
        num_labels=6,
        d_model=64,
        num_queries=40,
        encoder_layers=1,
        decoder_layers=3,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
    )
    torch.manual_seed(0)
    model = transformers.DetrForObjectDetection(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "backbone" not in name:
                parameter.add_(0.2 * torch.randn(parameter.shape))
    return model.double().eval()


@torch.no_grad()
def test_the_same_logits_and_boxes():
    theirs, ours = build_theirs(), build_ours()
    report = load_state(ours, RawCheckpoint("x", theirs.state_dict()), strict=True)
    assert report.source == "Hugging Face DETR"
    generator = torch.Generator().manual_seed(1)
    pixels = [
        torch.randint(0, 256, (3, *size), generator=generator).byte()
        for size in ((128, 192), (192, 96))
    ]
    batch = ours.preprocess([{"image": image} for image in pixels])
    expected = theirs(pixel_values=batch.pixels, pixel_mask=(~batch.padding).long())
    predictions = ours.detect(batch).predictions
    # Its position embedding is computed in single precision.
    near = dict(atol=2e-5, rtol=2e-5)
    torch.testing.assert_close(predictions.logits[-1], expected.logits, **near)
    torch.testing.assert_close(predictions.boxes[-1], expected.pred_boxes, **near)
    assert expected.logits.std() > 0.1
    assert expected.pred_boxes.std() > 0.01
