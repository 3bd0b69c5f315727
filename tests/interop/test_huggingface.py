"""Deformable DETR of transformers: our model with its converted weights says the same."""

import pytest
import torch

from aligndetr.errors import CheckpointError
from aligndetr.interop import load_checkpoint
from aligndetr.interop.load import load_state
from aligndetr.interop.raw_checkpoint import RawCheckpoint
from aligndetr.interop.sources.huggingface_deformable_detr import SOURCE as HUGGING_FACE

PLAIN = "deformable_detr_r50_50ep"
BOX_REFINEMENT = "deformable_detr_r50_with_box_refinement_50ep"
TWO_STAGE = "deformable_detr_r50_two_stage_50ep"
VARIANTS = (PLAIN, BOX_REFINEMENT, TWO_STAGE)
EPSILON = "model.decoder.refinement.eps"


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_ours(make_deformable):
    def make(variant, eps=1e-5):
        return make_deformable(variant, **{EPSILON: eps}).double().eval()

    return make


def build_theirs(variant):
    """A random model from a config alone, all of whose weights matter."""
    transformers = pytest.importorskip("transformers")
    backbone = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[32, 64, 128, 256],
        depths=[3, 4, 6, 3],
        layer_type="bottleneck",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = transformers.DeformableDetrConfig(
        use_timm_backbone=False,
        backbone_config=backbone,
        num_labels=6,
        d_model=64,
        num_queries=20,
        two_stage_num_proposals=20,
        encoder_layers=2,
        decoder_layers=3,
        encoder_ffn_dim=96,
        decoder_ffn_dim=96,
        with_box_refine=variant != PLAIN,
        two_stage=variant == TWO_STAGE,
        tie_word_embeddings=variant == PLAIN,  # its other meaning: all layers share their heads
    )
    torch.manual_seed(0)
    model = transformers.DeformableDetrForObjectDetection(config)
    if variant != PLAIN:  # published files hold one set of heads under two names
        model.model.decoder.bbox_embed = model.bbox_embed
    if variant == TWO_STAGE:
        model.model.decoder.class_embed = model.class_embed
    randomise_gently(model)
    return model.double().eval()


@torch.no_grad()
def randomise_gently(model):
    """Values of the size that training leaves: outputs neither vanish nor saturate."""
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif tensor.dim() > 1:
            tensor.normal_(std=tensor[0].numel() ** -0.5)
        else:
            is_scale = "norm" in name and name.endswith("weight")
            tensor.normal_(1.0 if is_scale else 0.0, 0.1)


def images():
    """Two sizes, so that both images carry padding."""
    generator = torch.Generator().manual_seed(1)
    sizes = [(96, 128), (128, 80)]
    pixels = [torch.randint(0, 256, (3, *size), generator=generator) for size in sizes]
    return [{"image": image.to(torch.uint8)} for image in pixels]


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_the_same_logits_and_boxes(variant, make_ours):
    theirs, ours = build_theirs(variant), make_ours(variant)
    report = load_state(ours, RawCheckpoint("x", theirs.state_dict()), strict=True)
    assert report.source == HUGGING_FACE.name
    batch = ours.preprocess(images())
    expected = theirs(pixel_values=batch.pixels, pixel_mask=(~batch.padding).long())
    output = ours.detect(batch)
    predictions, proposals = output.predictions, output.proposals
    # Its sines of the proposals are computed in single precision.
    near = dict(atol=2e-5, rtol=2e-5) if variant == TWO_STAGE else dict(atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(predictions.logits[-1], expected.logits, **near)
    torch.testing.assert_close(predictions.boxes[-1], expected.pred_boxes, **near)
    assert expected.logits.std() > 0.1
    assert expected.pred_boxes.std() > 0.1
    if variant == TWO_STAGE:
        boxes = expected.enc_outputs_coord_logits.sigmoid()
        torch.testing.assert_close(proposals.logits[0], expected.enc_outputs_class)
        torch.testing.assert_close(proposals.boxes[0], boxes)


def test_heads_that_the_file_stores_once(make_ours):
    """Newer versions leave out of a file what is shared with something in it."""
    theirs, ours = build_theirs(PLAIN), make_ours(PLAIN)
    again = ("class_embed.1", "class_embed.2", "bbox_embed.1", "bbox_embed.2")
    state = {k: v for k, v in theirs.state_dict().items() if not k.startswith(again)}
    assert len(state) == len(theirs.state_dict()) - 2 * (2 + 6)  # weights and biases of 1 + 3
    load_state(ours, RawCheckpoint("x", state), strict=True)
    torch.testing.assert_close(ours.decoder.class_heads[2].weight, theirs.class_embed[2].weight)


def test_another_epsilon_is_named(make_ours, tmp_path):
    torch.save(build_theirs(PLAIN).state_dict(), tmp_path / "theirs.pth")
    ours = make_ours(PLAIN, eps=1e-3)
    with pytest.raises(CheckpointError, match=r"inverse_sigmoid_eps: .* 1e-05, .* 0\.001"):
        load_checkpoint(ours, tmp_path / "theirs.pth")


def test_separate_heads_do_not_fit_shared_ones(make_ours):
    state = build_theirs(BOX_REFINEMENT).state_dict()
    with pytest.raises(CheckpointError, match=r"shares decoder\.box_heads\.0\..*separate heads"):
        load_state(make_ours(PLAIN), RawCheckpoint("x", state))
