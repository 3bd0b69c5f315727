"""Every shipped config trains, detects, is saved and reloaded, and converts to other toolboxes.

Large models are thinner here than published (see conftest.py); their layers are as many.
"""

import argparse
import json
import math
import re

import pytest
import torch

from aligndetr.commands import configs as listing
from aligndetr.config import instantiate
from aligndetr.engine.model import load_model
from aligndetr.errors import CheckpointError
from aligndetr.interop import convert_checkpoint

DETECTIONS = "coco_instances_results.json"
EXPECTED = set(
    """
align_dab_detr_r50_50ep aligndetr_k2_r50_4scale_12ep aligndetr_k2_r50_4scale_24ep
aligndetr_k2_r50_4scale_36ep aligndetr_k2_r50_4scale_tau3_12ep aligndetr_k2_r50_4scale_tau3_24ep
dab_deformable_detr_r50_50ep dab_deformable_detr_r50_two_stage_50ep dab_detr_r50_50ep
deformable_detr_r50_50ep deformable_detr_r50_two_stage_50ep
deformable_detr_r50_with_box_refinement_50ep detr_r50_300ep dino_r50_4scale_12ep
dino_r50_4scale_24ep dino_swin_large_384_4scale_12ep h_deformable_detr_r50_two_stage_12ep
rtdetr_r18_6x rtdetr_r50_6x
aligndetr_r18 aligndetr_r18_small dino_r18 rtdetr_r18_small
""".split()  # noqa: SIM905 - a column of names
)
# The first layer's content is zero (DAB-DETR), so whatever multiplies it learns nothing.
ZERO_CONTENT = re.compile(
    r"decoder\.layers\.0\.self_attention\.(query_content|key_content|value)_proj\.weight"
)
# What no other toolbox has a name for.
OURS_ALONE = {
    "dino_mr_tiny": r"no name in detrex .*: query_source\.instruction",
    "dino_ms_tiny": r"no name in detrex .*: decoder\.one2many_heads",
}
# A bias of all keys moves all logits of a softmax alike: its gradient is nothing but rounding.
KEY_BIAS = re.compile(r".*\.key_\w+_proj\.bias")


def test_the_family_is_listed(capsys):
    assert listing.run(argparse.Namespace()) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert {name for name, _ in lines} >= EXPECTED
    assert all(description for _, description in lines)


def test_losses_are_finite_and_all_parameters_learn(step):
    losses = {name: value for name, value in step.spy.losses.items() if name.startswith("loss_")}
    last = len(step.spy.model.decoder.layers) - 2  # the last layer has no number
    assert {"loss_class", "loss_bbox", "loss_giou", f"loss_class_{last}"} <= set(losses)
    assert all(math.isfinite(value) and value > 0 for value in losses.values())
    assert [name for name, gradient in step.spy.gradients.items() if gradient is None] == []
    idle = {name for name, gradient in step.spy.gradients.items() if not gradient.any()}
    excused = {name for name in step.spy.gradients if ZERO_CONTENT.fullmatch(name)}
    assert idle == (excused if "dab_detr" in step.name else set())
    after = dict(step.spy.model.named_parameters())
    still = {name for name, value in step.spy.before.items() if torch.equal(value, after[name])}
    frozen = set(after) - set(step.spy.gradients)
    assert {name for name in still - idle - frozen if not KEY_BIAS.fullmatch(name)} == set()
    assert frozen <= still


def test_two_images_are_evaluated(step):
    results = step.results["bbox"]
    assert 0 <= results["AP"] <= results["AR100"] <= 100
    detections = json.loads((step.folder / DETECTIONS).read_text())
    assert {detection["image_id"] for detection in detections} == {1, 2}
    assert all(0 <= detection["score"] <= 1 for detection in detections)
    assert len(detections) <= 2 * step.spy.model.num_queries * step.spy.model.num_classes


@torch.no_grad()
def detect(model, batches):
    """Boxes, scores and classes of every image."""
    model.eval()
    found = [output["instances"].get_fields() for batch in batches for output in model(batch)]
    return [(f["pred_boxes"].tensor, f["scores"], f["pred_classes"]) for f in found]


def test_a_reloaded_model_detects_the_same(step):
    torch.manual_seed(99)
    fresh = instantiate(step.config.model)
    checkpoint = step.checkpoint
    batches = list(instantiate(step.config.dataloader.test))
    expected = detect(step.spy.evaluated, batches)
    assert len(expected) == 2
    with pytest.raises(AssertionError):
        torch.testing.assert_close(detect(fresh, batches), expected)
    loaded = load_model(step.config, checkpoint, device="cpu")
    torch.testing.assert_close(detect(loaded, batches), expected, rtol=0, atol=0)


def test_the_checkpoint_converts_there_and_back(step, tmp_path):
    source = step.checkpoint
    layout = "rtdetr" if step.name.startswith("rtdetr") else "detrex"
    if step.name in OURS_ALONE:
        with pytest.raises(CheckpointError, match=OURS_ALONE[step.name]):
            convert_checkpoint(source, tmp_path / "theirs.pth", layout, strict=True)
        return
    assert convert_checkpoint(source, tmp_path / "theirs.pth", layout, strict=True).is_complete
    fresh = instantiate(step.config.model)  # knows what is one tensor there but several here
    convert_checkpoint(tmp_path / "theirs.pth", tmp_path / "ours.pth", "ours", fresh, strict=True)
    saved, theirs, back = (
        torch.load(path, weights_only=True)["model"]
        for path in (source, tmp_path / "theirs.pth", tmp_path / "ours.pth")
    )
    renamed = set(saved) - set(theirs)
    assert {name.split(".")[0] for name in renamed} >= {"encoder", "decoder"}
    torch.testing.assert_close(back, saved, rtol=0, atol=0)
