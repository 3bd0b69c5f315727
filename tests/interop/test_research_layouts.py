"""IDEA-Research/DINO, Deformable-DETR, mmdetection and Hugging Face: names, heads and traits."""

import pytest
import torch
from torch import nn

from aligndetr.errors import CheckpointError
from aligndetr.interop import load_checkpoint
from aligndetr.interop.class_rows import COCO_IDS
from aligndetr.interop.names import to_theirs
from aligndetr.interop.raw_checkpoint import RawCheckpoint
from aligndetr.interop.renaming import export_state, identify, import_state
from aligndetr.interop.sources import idea_dino, mmdetection_dino
from aligndetr.interop.sources.huggingface_deformable_detr import SOURCE as HUGGING_FACE

# What IDEA's and mmdetection's DINO need besides the weights.
DINO_TRAITS = {
    "model.pyramid.position_embedding.temperature": 20,
    "model.pyramid.position_embedding.offset": 0.0,
    "model.neck.num_outs": 4,
}


def idea_file(model, path):
    """Save our weights as IDEA's DINO: 91 slots, a label row more, one list of projections."""
    state = {}
    for name, value in export_state(model.state_dict(), idea_dino.SOURCE).items():
        slots = 92 if name == "label_enc.weight" else 91
        if (value.shape[0] == 80 and "class_embed" in name) or name == "label_enc.weight":
            padded = torch.full((slots, *value.shape[1:]), -9.0)
            padded[COCO_IDS] = value
            value = padded
        state[name.replace("appended_proj.0", "input_proj.3")] = value
    torch.save({"model": state, "epoch": 11}, path)
    return state


def test_idea_dino(make_tiny, tmp_path):
    theirs = make_tiny(num_classes=80, **DINO_TRAITS)
    state = idea_file(theirs, tmp_path / "dino.pth")
    expected = {  # the public names
        "backbone.0.body.layer2.0.downsample.0.weight",
        "input_proj.3.0.weight",
        "input_proj.3.1.bias",
        "transformer.level_embed",
        "transformer.encoder.layers.0.linear1.weight",
        "transformer.decoder.layers.1.cross_attn.value_proj.bias",
        "transformer.enc_out_class_embed.weight",
        "transformer.enc_out_bbox_embed.layers.2.weight",
        "transformer.decoder.bbox_embed.0.layers.0.weight",
    }
    assert expected <= set(state)
    ours = make_tiny(num_classes=80, **DINO_TRAITS)
    load_checkpoint(ours, tmp_path / "dino.pth", strict=True)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=0)


def test_slots_stay_for_a_model_that_has_them(make_tiny, tmp_path):
    idea_file(make_tiny(num_classes=80, **DINO_TRAITS), tmp_path / "dino.pth")
    ours = make_tiny(num_classes=91, **DINO_TRAITS)
    load_checkpoint(ours, tmp_path / "dino.pth", strict=True)
    bias = ours.query_source.class_head.bias
    assert (bias == -9).sum() == 91 - 80  # id 0 and ten more are unused


def test_traits_that_differ_are_named(make_tiny, tmp_path):
    idea_file(make_tiny(num_classes=80, **DINO_TRAITS), tmp_path / "dino.pth")
    ours = make_tiny(num_classes=80, **{"model.neck.num_outs": 4})
    message = r"position_temperature: .* 20\.0, .* 10000[\s\S]*position_offset: .* 0\.0, .* -0\.5"
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(ours, tmp_path / "dino.pth")


def test_detrex_traits_are_only_mentioned(detrex_file, make_tiny):
    model = make_tiny(**{"model.pyramid.position_embedding.temperature": 20})
    notes = load_checkpoint(model, detrex_file, strict=True).notes
    assert any("position_temperature" in note and "10000" in note for note in notes)


def test_mmdetection(make_tiny, tmp_path):
    theirs = make_tiny(num_classes=80, **DINO_TRAITS)
    for convs in (theirs.neck.convs, theirs.neck.extra_convs):
        for conv in convs:
            nn.init.zeros_(conv.conv.bias)
    state = export_state(theirs.state_dict(), mmdetection_dino.SOURCE)
    state = {k: v for k, v in state.items() if not (".conv.bias" in k and k.startswith("neck"))}
    expected = {
        "backbone.layer4.1.bn2.running_var",
        "neck.extra_convs.0.gn.weight",
        "bbox_head.cls_branches.2.bias",
        "bbox_head.reg_branches.2.4.weight",
        "decoder.layers.0.self_attn.attn.in_proj_weight",
        "encoder.layers.0.ffn.layers.0.0.weight",
        "dn_query_generator.label_embedding.weight",
        "memory_trans_fc.weight",
        "level_embed",
    }
    assert expected <= set(state)
    content = {"state_dict": state, "meta": {"dataset_meta": {"classes": tuple("abcdefgh" * 10)}}}
    torch.save(content, tmp_path / "mm.pth")
    ours = make_tiny(num_classes=80, **DINO_TRAITS)
    load_checkpoint(ours, tmp_path / "mm.pth", strict=True)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=0)


def hugging_face_state(make_tiny, timm_names):
    """A random Deformable DETR of transformers in the tiny detector's sizes."""
    transformers = pytest.importorskip("transformers")
    backbone = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 32, 64],
        depths=[2, 2, 2, 2],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = transformers.DeformableDetrConfig(
        use_timm_backbone=False,
        backbone_config=backbone,
        num_labels=6,
        d_model=64,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        num_feature_levels=4,
        two_stage=True,
        with_box_refine=True,
    )
    state = transformers.DeformableDetrForObjectDetection(config).state_dict()
    if timm_names:  # as in the published files: torchvision's names for the backbone
        state = {k: v for k, v in state.items() if not k.startswith("model.backbone.")}
        for name, value in make_tiny().backbone.state_dict().items():
            theirs = to_theirs("backbone." + name, HUGGING_FACE.table(state))
            state[theirs] = value
    return state


@pytest.mark.parametrize("timm_names", [False, True])
def test_hugging_face_names_and_shapes(make_tiny, timm_names):
    state = hugging_face_state(make_tiny, timm_names)
    source = identify(RawCheckpoint("x", state))
    assert source is HUGGING_FACE
    imported = import_state(state, source)
    ours = make_tiny(**{"model.neck.num_outs": 4}).state_dict()
    assert imported.unknown == []
    # Its query position comes from the proposals; ours is the anchor's sine and learned content.
    lacking = ("denoiser.", "query_source.content.", "decoder.norm.", "decoder.position_mlp.")
    expected = {name: v.shape for name, v in ours.items() if not name.startswith(lacking)}
    theirs_only = ("query_source.position_proj.", "query_source.position_norm.")
    shapes = {
        name: value.shape
        for name, value in imported.tensors.items()
        if not name.startswith(theirs_only)
    }
    assert {k: v for k, v in shapes.items() if "num_batches_tracked" not in k} == expected


def test_hugging_face_projections_are_stacked_as_query_key_value(make_tiny):
    state = hugging_face_state(make_tiny, timm_names=False)
    stacked = import_state(state, HUGGING_FACE).tensors
    layer = "model.decoder.layers.1.self_attn"
    joint = stacked["decoder.layers.1.self_attention.in_proj_weight"]
    for part, rows in zip("qkv", joint.chunk(3), strict=True):
        assert torch.equal(rows, state[f"{layer}.{part}_proj.weight"])
