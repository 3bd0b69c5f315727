"""DETR, DAB-DETR and DAB-Deformable-DETR: published key lists and files, both ways."""

import re

import pytest
import torch

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.errors import CheckpointError
from aligndetr.interop import convert_checkpoint, load_checkpoint
from aligndetr.interop.class_rows import COCO_IDS
from aligndetr.interop.raw_checkpoint import RawCheckpoint
from aligndetr.interop.renaming import export_state, identify, import_state
from aligndetr.interop.sources import detrex_source

PUBLISHED = {  # key list -> our config
    "dab_detr_r50": "dab_detr_r50_50ep",
    "align_dab_detr_r50": "align_dab_detr_r50_50ep",
    "dab_deformable_detr_r50": "dab_deformable_detr_r50_50ep",
    "dab_deformable_detr_r50_two_stage": "dab_deformable_detr_r50_two_stage_50ep",
}
TINY = {
    "detr_tiny": "detrex DETR",
    "dab_detr_tiny": "detrex DAB-DETR or official Align-DAB-DETR",
    "dab_deformable_detr_tiny": "detrex DAB-Deformable-DETR",
}


def build(name, num_classes=6):
    config = LazyConfig.load(resolve_config(name))
    config.model.num_classes = num_classes
    return instantiate(config.model)


def randomised(name, num_classes=6):
    model = build(name, num_classes)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=generator) + 0.1)
    return model


@pytest.mark.parametrize("published", PUBLISHED)
def test_our_model_has_the_published_keys_and_shapes(published, key_lists):
    if published not in key_lists:
        pytest.skip("the published key lists are not here")
    with torch.device("meta"):
        state = build(PUBLISHED[published], 80).state_dict()
    exported = export_state(state, detrex_source(state))
    shapes = {key: tuple(value.shape) for key, value in exported.items()}
    assert shapes == {key: shape for key, (shape, _) in key_lists[published].items()}


@pytest.mark.parametrize("published", PUBLISHED)
def test_published_key_lists_round_trip(published, key_lists):
    if published not in key_lists:
        pytest.skip("the published key lists are not here")
    keys = key_lists[published]
    values = {key: torch.zeros(shape) for key, (shape, alias) in keys.items() if alias == "-"}
    state = {key: values[key if alias == "-" else alias] for key, (_, alias) in keys.items()}
    source = identify(RawCheckpoint("x", state))
    imported = import_state(state, source)
    assert (imported.unknown, imported.ignored) == ([], [])
    assert len(imported.tensors) == len(values)
    exported = export_state(imported.tensors, source)
    assert list(exported) == sorted(keys)
    assert all(exported[key] is state[key] for key in keys)  # the tensor itself at each place
    assert detrex_source(imported.tensors) is source


def torchvision_name(name):
    """backbone.res5.1.conv2.norm.bias -> backbone.body.layer4.1.bn2.bias."""
    name = re.sub(r"stem\.conv1", "conv1", name.replace("backbone.", "backbone.body."))
    name = re.sub(r"res(\d)", lambda stage: f"layer{int(stage[1]) - 1}", name)
    name = name.replace("shortcut.norm", "downsample.1").replace("shortcut", "downsample.0")
    return re.sub(r"conv(\d)\.norm", r"bn\1", name)


@pytest.mark.parametrize("name", ["detr_tiny", "dab_detr_tiny"])
def test_files_of_dc5_name_the_backbone_as_torchvision_does(name, tmp_path):
    model = randomised(name)
    state = export_state(model.state_dict(), detrex_source(model.state_dict()))
    dilated = {
        torchvision_name(key) if key.startswith("backbone.") else key: value
        for key, value in state.items()
    }
    assert "backbone.body.layer2.0.downsample.1.running_var" in dilated
    torch.save({"model": dilated}, tmp_path / "dc5.pth")
    fresh = build(name)
    load_checkpoint(fresh, tmp_path / "dc5.pth", strict=True)
    for key, value in model.state_dict().items():
        assert torch.equal(fresh.state_dict()[key], value), key


@pytest.mark.parametrize("name", TINY)
def test_files_both_ways(name, tmp_path):
    model = randomised(name)
    ours, theirs, back = (tmp_path / f"{n}.pth" for n in ("ours", "theirs", "back"))
    torch.save({"model": model.state_dict()}, ours)
    convert_checkpoint(ours, theirs, "detrex", model=build(name), strict=True)
    report = convert_checkpoint(theirs, back, "ours", model=build(name), strict=True)
    assert report.source == TINY[name]
    fresh = build(name)
    load_checkpoint(fresh, theirs, strict=True)
    result = torch.load(back, weights_only=True)["model"]
    for key, value in model.state_dict().items():
        assert torch.equal(fresh.state_dict()[key], value), key
        assert torch.equal(result[key], value), key


def test_heads_that_differ_cannot_become_one(tmp_path):
    config = LazyConfig.load(resolve_config("dab_detr_tiny"))
    LazyConfig.apply_overrides(
        config, ["model.num_classes=6", "model.decoder.heads=aligndetr.layers.repeat"]
    )
    state = instantiate(config.model).state_dict()
    with pytest.raises(CheckpointError, match=r"class_heads\.0\.weight and .* are one parameter"):
        export_state(state, detrex_source(state))


def test_a_damaged_activation_is_noticed():
    state = randomised("dab_detr_tiny").state_dict()
    exported = export_state(state, detrex_source(state))
    exported["transformer.encoder.layers.0.ffns.0.layers.0.1.weight"] = torch.ones(1) * 7
    with pytest.raises(CheckpointError, match=r"layers\.0\.1\.weight differs from .*activation"):
        import_state(exported, detrex_source(state))


def original_detr(model):
    """The state of our DETR as facebookresearch/detr names it, from its public model code."""
    stages = {f"res{i + 1}": f"layer{i}" for i in range(1, 5)}
    renamed = {}
    for name, value in model.state_dict().items():
        parts = name.split(".")
        if parts[0] == "backbone":
            where = ["backbone.0.body"]
            if parts[1] != "stem":
                where += [stages[parts[1]], parts[2]]
                parts = parts[1:]
            conv, rest = parts[2], parts[3:]
            if rest[0] == "norm":
                conv = {"shortcut": "downsample.1"}.get(conv, conv.replace("conv", "bn"))
                rest = rest[1:]
            conv = "downsample.0" if conv == "shortcut" else conv
            renamed[".".join([*where, conv, *rest])] = value
        elif parts[0] in ("encoder", "decoder") and parts[1] == "layers":
            attention = {"self_attention": "self_attn", "cross_attention": "multihead_attn"}
            rest = [attention.get(part, part) for part in parts if part != "ffn"]
            renamed["transformer." + ".".join(rest)] = value
    heads = model.decoder
    for head, theirs in ((heads.class_heads[0], "class_embed"), (heads.box_heads[0], "bbox_embed")):
        renamed |= {f"{theirs}.{key}": value for key, value in head.state_dict().items()}
    renamed |= {f"transformer.decoder.norm.{k}": v for k, v in heads.norm.state_dict().items()}
    renamed |= {f"input_proj.{k}": v for k, v in model.neck.conv.state_dict().items()}
    return renamed | {"query_embed.weight": model.query_source.position.weight.detach()}


def test_the_original_detr_is_understood(tmp_path):
    model = randomised("detr_tiny")
    state = original_detr(model)
    torch.save({"model": state}, tmp_path / "detr.pth")
    fresh = build("detr_tiny")
    report = load_checkpoint(fresh, tmp_path / "detr.pth", strict=True)
    assert report.source == "facebookresearch/detr"
    for key, value in model.state_dict().items():
        assert torch.equal(fresh.state_dict()[key], value), key


def test_92_rows_become_80_classes_and_no_object(tmp_path):
    state = original_detr(randomised("detr_tiny"))
    state["class_embed.bias"] = torch.arange(92.0)
    state["class_embed.weight"] = torch.arange(92.0).repeat_interleave(64).view(92, 64)
    torch.save({"model": state}, tmp_path / "detr.pth")
    model = build("detr_tiny", num_classes=80)
    load_checkpoint(model, tmp_path / "detr.pth", strict=True)
    head = model.decoder.class_heads[2]
    assert head.bias.tolist() == [*COCO_IDS, 91]
    assert head.weight[:, 5].tolist() == [*COCO_IDS, 91]
