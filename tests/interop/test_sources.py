"""Each foreign layout against its origin: names, shapes and what the original model computed.

`sources/*.json` hold facts of the original code at the commit they name: every tensor's name and
shape (or the name of the tensor that it repeats) in a tiny model, and outputs of that model in
float64, its weights filled by name as `tests/data/golden/fill.py` defines. `queries` and `classes`
say which.
"""

import json
import pickle
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.interop import load_checkpoint
from aligndetr.interop.class_rows import COCO_IDS
from aligndetr.interop.renaming import export_state
from aligndetr.interop.sources import detrex_source
from aligndetr.modeling.backbone import ResNet, TransformersBackbone
from aligndetr.structures import ImageBatch
from tests.parity.golden import fills

FOLDER = Path(__file__).parent / "sources"
PADDED, EQUAL, SQUARE = [(96, 128), (128, 80)], [(96, 128)] * 2, [(96, 96)] * 2
SMALL = [(64, 96)] * 2

NARROW = {
    "model.num_queries": 7,
    "+model.backbone.width": 8,
    "model.backbone.norm": "FrozenBN",
    "model.encoder.num_layers": 1,
    "model.decoder.num_layers": 2,
    "model.encoder.layer.self_attention.num_heads": 4,
    "model.decoder.layer.self_attention.num_heads": 4,
    "model.decoder.layer.cross_attention.num_heads": 4,
    "model.encoder.layer.ffn.feedforward_dim": 48,
    "model.decoder.layer.ffn.feedforward_dim": 48,
}
R50 = {
    "model.backbone.depth": 50,
    "model.neck.in_channels": "{res3: 64, res4: 128, res5: 256}",
}
R18 = {
    "model.backbone.depth": 18,
    "model.neck.in_channels": "{res3: 16, res4: 32, res5: 64}",
}
DETR = {"model.embed_dim": 32, "model.pyramid.position_embedding.num_features": 16}
DEFORMABLE = R50 | {
    "model.embed_dim": 64,
    "model.pyramid.position_embedding.num_features": 32,
    "model.decoder.refinement.eps": 1e-5,
}
# What IDEA's and mmdetection's DINO have that detrex' has not.
DINO_POSITION = {
    "model.pyramid.position_embedding.temperature": 20,
    "model.pyramid.position_embedding.offset": 0.0,
}
RTDETR = {
    "model.embed_dim": 32,
    "model.num_classes": 5,
    "model.encoder.position_embedding.num_features": 16,
}


@dataclass
class Layout:
    """How our model of the same architecture is made, and which image sizes were shown.

    Attributes:
        name: what the file is recognised as.
        config: ours.
        overrides: beside `NARROW`.
        sizes: of the two images.
        atol: where the original computes sines or grids in single precision, 2e-5.
    """

    name: str
    config: str
    overrides: dict = field(default_factory=dict)
    sizes: list = field(default_factory=lambda: PADDED)
    atol: float = 2e-5


AUTHORS = "fundamentalvision/Deformable-DETR"
LAYOUTS = {
    "facebook_detr": Layout(
        "facebookresearch/detr",
        "detr_r50_300ep",
        DETR | {"model.backbone.depth": 50, "model.neck.in_channels": "{res5: 256}"},
    ),
    "fundamentalvision_deformable_detr": Layout(AUTHORS, "deformable_detr_r50_50ep", DEFORMABLE),
    "fundamentalvision_deformable_detr_with_box_refinement": Layout(
        AUTHORS, "deformable_detr_r50_with_box_refinement_50ep", DEFORMABLE
    ),
    "fundamentalvision_deformable_detr_two_stage": Layout(
        AUTHORS,
        "deformable_detr_r50_two_stage_50ep",
        R50 | {"model.decoder.refinement.eps": 1e-5},
    ),
    "idea_dino": Layout(
        "IDEA-Research/DINO",
        "dino_r50_4scale_12ep",
        R50 | DINO_POSITION | {"model.num_classes": 91},
    ),
    "mmdetection_dino": Layout(
        "mmdetection DINO or AlignDETR", "dino_r50_4scale_12ep", R18 | DINO_POSITION
    ),
    "detrex_detr": Layout(
        "detrex DETR",
        "detr_r50_300ep",
        DETR | {"model.backbone.depth": 18, "model.neck.in_channels": "{res5: 64}"},
        EQUAL,
    ),
    "detrex_dab_deformable_detr": Layout(
        "detrex DAB-Deformable-DETR",
        "dab_deformable_detr_r50_50ep",
        R18 | {"model.neck.num_outs": 3},
        EQUAL,
    ),
    "detrex_dab_deformable_detr_two_stage": Layout(
        "detrex DAB-Deformable-DETR",
        "dab_deformable_detr_r50_two_stage_50ep",
        R18 | {"model.neck.num_outs": 3},
        EQUAL,
    ),
    "lyuwenyu_rtdetr_r18": Layout(
        "lyuwenyu/RT-DETR",
        "rtdetr_r50_6x",
        RTDETR | R18 | {"model.encoder.expansion": 0.5},
        SQUARE,
    ),
    "lyuwenyu_rtdetr_r50": Layout("lyuwenyu/RT-DETR", "rtdetr_r50_6x", RTDETR | R50, SQUARE),
}


def facts(name):
    """What is known of a layout."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def checkpoint(tensors):
    """A state dict of these names and shapes, filled by name."""
    state = {}
    for name, shape in tensors.items():
        if isinstance(shape, str):
            continue
        values = fills().fill_array(name, tuple(shape))
        state[name] = torch.zeros(shape) if values is None else torch.from_numpy(values)
    twins = {name: state[shape] for name, shape in tensors.items() if isinstance(shape, str)}
    return state | twins


def images(sizes):
    """Two images whose pixels are normalised already, padded with zeros."""
    height, width = (max(sides) for sides in zip(*sizes, strict=True))
    pixels = torch.zeros(len(sizes), 3, height, width, dtype=torch.float64)
    padding = torch.ones(len(sizes), height, width, dtype=torch.bool)
    for index, (rows, columns) in enumerate(sizes):
        noise = fills().uniform(f"image{index}", (3, rows, columns), -2, 2)
        pixels[index, :, :rows, :columns] = torch.from_numpy(noise)
        padding[index, :rows, :columns] = False
    return ImageBatch(pixels, padding, sizes)


def build(layout):
    config = LazyConfig.load(resolve_config(layout.config))
    overrides = [f"{key}={value}" for key, value in (NARROW | layout.overrides).items()]
    LazyConfig.apply_overrides(config, overrides)
    return instantiate(config.model).double().eval()


def our_rows(theirs, model):
    """Where the classes of the file are in our heads, which leave out COCO's unused ids."""
    if len(model.decoder.class_heads[0].weight) < max(theirs):
        return [[*COCO_IDS, 91].index(row) for row in theirs]
    return theirs


@pytest.mark.parametrize("name", LAYOUTS)
@torch.no_grad()
def test_a_detector_says_what_the_original_said(name, tmp_path):
    layout, known = LAYOUTS[name], facts(name)
    torch.save({"model": checkpoint(known["tensors"])}, tmp_path / "theirs.pth")
    model = build(layout)
    report = load_checkpoint(model, tmp_path / "theirs.pth", strict=True)
    assert report.source == layout.name
    predictions = model.detect(images(layout.sizes)).predictions
    logits = predictions.logits[-1][:, known["queries"]][..., our_rows(known["classes"], model)]
    boxes = predictions.boxes[-1][:, known["queries"]]
    for ours, theirs in ((logits, known["logits"]), (boxes, known["boxes"])):
        expected = torch.tensor(theirs, dtype=torch.float64)
        assert expected.std(1).mean() > 50 * layout.atol  # the queries differ
        torch.testing.assert_close(ours, expected, atol=layout.atol, rtol=layout.atol)


@torch.no_grad()
def features_agree(backbone, pixels, known, steps):
    """Compare the levels that `known` has, thinned out by `steps`."""
    for ours, theirs in zip(backbone(pixels).values(), known["features"].values(), strict=True):
        expected = torch.tensor(theirs, dtype=torch.float64)
        assert expected.std() > 0.1
        torch.testing.assert_close(ours[steps], expected, atol=1e-6, rtol=1e-6)


def test_msra_resnets_through_detectron2(tmp_path):
    known = facts("msra_resnet")
    blobs = {name: tensor.numpy() for name, tensor in checkpoint(known["tensors"]).items()}
    path = tmp_path / "R-50.pkl"
    path.write_bytes(pickle.dumps({"blobs": blobs, "__author__": "MSRA"}))
    stages = ("res2", "res3", "res4", "res5")
    backbone = ResNet(50, width=8, out_features=stages, stride_in_1x1=True).double().eval()
    assert load_checkpoint(backbone, path, strict=True).source == "MSRA ResNet (Caffe2 names)"
    pixels = images(SMALL).pixels.flip(1)  # a bare backbone has no channel order to fold
    features_agree(backbone, pixels, known, np.s_[:, ::5, ::3, ::4])


def test_swin_of_detectron2_at_sizes_that_windows_do_not_divide(tmp_path):
    known = facts("microsoft_swin")
    torch.save({"model": checkpoint(known["tensors"])}, tmp_path / "swin.pth")
    sizes = {"embed_dim": 8, "depths": [2] * 3, "num_heads": [1, 2, 4]}
    sizes |= {"window_size": 4, "image_size": 64}
    backbone = TransformersBackbone("swin", ["stage1", "stage2", "stage3"], config=sizes)
    backbone = backbone.double().eval()
    report = load_checkpoint(backbone, tmp_path / "swin.pth", strict=True)
    assert report.source == "Swin of its authors"
    features_agree(backbone, images([(72, 100)]).pixels, known, np.s_[:, :, ::3, ::4])


@pytest.mark.parametrize("depth", [18, 50])
def test_a_classifier_of_rtdetr_has_the_names_of_its_backbone(depth, tmp_path):
    """The authors' network loads these files strictly, so its names are the file's."""
    name = f"lyuwenyu_rtdetr_r{depth}"
    state = checkpoint(facts(name)["tensors"])
    prefix = "backbone."
    state = {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
    torch.save(state, tmp_path / "vd.pth")
    model = build(LAYOUTS[name])
    report = load_checkpoint(model.backbone, tmp_path / "vd.pth", strict=True)
    assert report.source == "ResNet-D of lyuwenyu/RT-DETR"
    torch.testing.assert_close(model.backbone.stem.conv1.weight, state["conv1.conv1_1.conv.weight"])


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name.startswith("detrex")])
def test_our_model_is_written_with_the_published_names_and_shapes(name):
    tensors, model = facts(name)["tensors"], build(LAYOUTS[name])
    state = export_state(model.state_dict(keep_vars=True), detrex_source(model.state_dict()))
    shapes = {key: tensors.get(str(shape), shape) for key, shape in tensors.items()}
    assert {key: list(value.shape) for key, value in state.items()} == shapes
