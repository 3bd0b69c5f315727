"""DETR of transformers: our model with its converted weights says the same."""

import pytest
import torch

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.interop.load import load_state
from aligndetr.interop.raw_checkpoint import RawCheckpoint
from studies.huggingface_detr import build_theirs, take_common_backbone


def build_ours():
    config = LazyConfig.load(resolve_config("detr_tiny"))
    config.model.num_classes = 6
    take_common_backbone(config.model)
    return instantiate(config.model).double().eval()


def randomized(model):
    """No weight is left at a value that hides a mistake, such as zero."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "backbone" not in name:
                parameter.add_(0.2 * torch.randn(parameter.shape))
    return model.double().eval()


@torch.no_grad()
def test_the_same_logits_and_boxes():
    pytest.importorskip("transformers")
    ours = build_ours()
    torch.manual_seed(0)
    theirs = randomized(build_theirs(ours))
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
