"""Weights that others published, by name: where they are, what they fit, what they are said to do.

Every fact is the publisher's own, read in the page that `Model.page` names. No file itself has been
seen here: `seen` says so, and the first to fetch one can pin it by the hash that the log prints.
"""

from __future__ import annotations

from dataclasses import dataclass

from aligndetr.errors import CheckpointError, did_you_mean

PREFIX = "zoo:"
_DETREX = "https://github.com/IDEA-Research/detrex-storage/releases/download/"
_DETREX_PAGE = "github.com/IDEA-Research/detrex, docs/source/tutorials/Model_Zoo.md"
_RTDETR = "https://github.com/lyuwenyu/storage/releases/download/v0.1/"
_RTDETR_PAGE = "github.com/lyuwenyu/RT-DETR, rtdetr_pytorch/README.md"
_DRIVE = "https://drive.google.com/"
_HUB = "https://huggingface.co/{}/resolve/main/model.safetensors"
# What other authors' DINO and Deformable-DETR need besides the weights, see docs/checkpoints.md.
_DINO = (
    "model.pyramid.position_embedding.temperature=20",
    "model.pyramid.position_embedding.offset=0.0",
)
_DEFORMABLE = ("model.decoder.refinement.eps=1e-5",)


@dataclass(frozen=True)
class Model:
    """A published file.

    Attributes:
        name: in this table.
        config: name of the config of ours that it fits.
        ap: AP on COCO val2017 as the page states it, of the publisher's evaluation.
        page: where the facts stand.
        url: of the file; where `by_hand`, of a page for browsers.
        sha256: of the file, or the first digits of it; empty: its publisher does not state it.
        megabytes: size as stated; None: it is not.
        overrides: of the config, which these weights need.
        by_hand: only a person can fetch it.
        seen: whether this project has read the file itself.
    """

    name: str
    config: str
    ap: float
    page: str
    url: str
    sha256: str = ""
    megabytes: float | None = None
    overrides: tuple[str, ...] = ()
    by_hand: bool = False
    seen: bool = False


def _official(name: str, config: str, ap: float, file: str) -> Model:
    page = "github.com/FelixCaae/AlignDETR, README.md"
    return Model(name, config, ap, page, f"{_DRIVE}file/d/{file}/view", by_hand=True)


def _idea(name: str, config: str, ap: float, overrides: tuple[str, ...]) -> Model:
    url = f"{_DRIVE}drive/folders/1qD5m1NmK0kjE5hh-G17XUX751WsEG-h_"
    page = "github.com/IDEA-Research/DINO, README.md"
    return Model(name, config, ap, page, url, overrides=overrides, by_hand=True)


def _detrex(name: str, config: str, ap: float, file: str) -> Model:
    return Model(f"detrex_{name}", config, ap, _DETREX_PAGE, f"{_DETREX}{file}")


def _rtdetr(name: str, config: str, ap: float, file: str) -> Model:
    url = f"{_RTDETR}{file}_from_paddle.pth"
    return Model(f"rtdetr_{name}", config, ap, _RTDETR_PAGE, url)


def _hugging_face(
    name: str,
    config: str,
    ap: float,
    repository: str,
    sha256: str,
    megabytes: float,
    overrides: tuple[str, ...] = (),
) -> Model:
    page = f"huggingface.co/{repository}; AP: of the authors' file"
    url = _HUB.format(repository)
    return Model(f"huggingface_{name}", config, ap, page, url, sha256, megabytes, overrides)


_ALL = (
    _official(
        "aligndetr_r50_12ep",
        "aligndetr_k2_r50_4scale_12ep",
        50.3,
        "12xSxD_Z9KI8bejSlO1td1XcZ-Ns00rTi",
    ),
    _official(
        "aligndetr_r50_24ep",
        "aligndetr_k2_r50_4scale_24ep",
        51.4,
        "1zQYe78fDdCmK3nwbAWYLvGCdQCFsTqoX",
    ),
    _detrex(
        "dino_r50_12ep", "dino_r50_4scale_12ep", 49.2, "v0.2.0/dino_r50_4scale_12ep_49_2AP.pth"
    ),
    _detrex("dino_r50_24ep", "dino_r50_4scale_24ep", 50.6, "v0.1.1/dino_r50_4scale_24ep.pth"),
    _detrex(
        "dino_swin_tiny_12ep",
        "dino_swin_tiny_224_4scale_12ep",
        51.3,
        "v0.1.1/dino_swin_tiny_224_4scale_12ep.pth",
    ),
    _detrex(
        "dino_swin_large_12ep",
        "dino_swin_large_384_4scale_12ep",
        56.9,
        "v0.1.1/dino_swin_large_4scale_12ep.pth",
    ),
    _detrex("detr_r50", "detr_r50_300ep", 42.0, "v0.1.0/converted_detr_r50_500ep.pth"),
    _detrex(
        "deformable_detr_box_refinement",
        "deformable_detr_r50_with_box_refinement_50ep",
        47.0,
        "v0.1.1/deformable_detr_with_box_refinement_50ep_new.pth",
    ),
    _detrex(
        "deformable_detr_two_stage",
        "deformable_detr_r50_two_stage_50ep",
        48.2,
        "v0.1.1/deformable_detr_r50_two_stage_50ep_new.pth",
    ),
    _detrex("dab_detr_r50", "dab_detr_r50_50ep", 43.3, "v0.1.0/dab_detr_r50_50ep.pth"),
    _detrex(
        "dab_deformable_detr",
        "dab_deformable_detr_r50_50ep",
        49.0,
        "v0.2.0/dab_deformable_detr_r50_50ep_49AP.pth",
    ),
    _detrex(
        "dab_deformable_detr_two_stage",
        "dab_deformable_detr_r50_two_stage_50ep",
        49.7,
        "v0.2.0/dab_deformable_detr_r50_two_stage_49_7AP.pth",
    ),
    _detrex(
        "h_deformable_detr_12ep",
        "h_deformable_detr_r50_two_stage_12ep",
        48.9,
        "v0.2.0/r50_hybrid_branch_lambda1_group6_t1500_dp0_mqs_lft_deformable_detr_plus_iterative"
        "_bbox_refinement_plus_plus_two_stage_12eps.pth",
    ),
    _idea("idea_dino_r50_12ep", "dino_r50_4scale_12ep", 49.0, _DINO),
    _idea("idea_dino_r50_24ep", "dino_r50_4scale_24ep", 50.4, ()),
    Model(
        "mmdetection_dino_r50_12ep",
        "dino_r50_4scale_12ep",
        49.0,
        "github.com/open-mmlab/mmdetection, configs/dino/README.md",
        "https://download.openmmlab.com/mmdetection/v3.0/dino/dino-4scale_r50_8xb2-12e_coco/"
        "dino-4scale_r50_8xb2-12e_coco_20221202_182705-55b2bba2.pth",
        "55b2bba2",
        overrides=_DINO,
    ),
    Model(
        "facebook_detr_r50",
        "detr_r50_300ep",
        42.0,
        "github.com/facebookresearch/detr, README.md",
        "https://dl.fbaipublicfiles.com/detr/detr-r50-e632da11.pth",
        "e632da11",
        159,
    ),
    _hugging_face(
        "deformable_detr",
        "deformable_detr_r50_50ep",
        44.5,
        "SenseTime/deformable-detr",
        "caf1e3e61283c6ce35cd2d9adaa7033cf40997d4dfe434003bcdb9085cc8cf9b",
        161,
        _DEFORMABLE,
    ),
    _hugging_face(
        "deformable_detr_box_refinement",
        "deformable_detr_r50_with_box_refinement_50ep",
        46.2,
        "SenseTime/deformable-detr-with-box-refine",
        "4113700fe8aade398808424b7c5c1304cfbf886adc6450a6ca5d50a702be3373",
        164,
        _DEFORMABLE,
    ),
    _rtdetr("r18", "rtdetr_r18_6x", 46.4, "rtdetr_r18vd_dec3_6x_coco"),
    _rtdetr("r50", "rtdetr_r50_6x", 53.1, "rtdetr_r50vd_6x_coco"),
    _rtdetr("r18_objects365", "rtdetr_r18_6x", 49.0, "rtdetr_r18vd_5x_coco_objects365"),
    _rtdetr("r50_objects365", "rtdetr_r50_6x", 55.2, "rtdetr_r50vd_2x_coco_objects365"),
    _hugging_face(
        "rtdetr_r18",
        "rtdetr_r18_6x",
        46.4,
        "PekingU/rtdetr_r18vd",
        "fe87a5a30f5daf298d10794c7682a63b6107986f97d6a770ba948d89e4340093",
        80.9,
    ),
    _hugging_face(
        "rtdetr_r50",
        "rtdetr_r50_6x",
        53.1,
        "PekingU/rtdetr_r50vd",
        "5263d5521eff3e356f6cd8a371fd5dfb891725beda5f713674f79669115cdc64",
        172,
    ),
    _hugging_face(
        "rtdetr_r18_objects365",
        "rtdetr_r18_6x",
        49.0,
        "PekingU/rtdetr_r18vd_coco_o365",
        "eadade7a507b87cabe5d6a75b935dbd9fc59b1b843f36f7e3b24eafc856c0774",
        80.9,
    ),
    _hugging_face(
        "rtdetr_r50_objects365",
        "rtdetr_r50_6x",
        55.2,
        "PekingU/rtdetr_r50vd_coco_o365",
        "59abc0b00bea0cc8f7e9ce053c29189a348605bb337123609a7fe02e4ea830a0",
        172,
    ),
)
MODELS = {model.name: model for model in _ALL}


def is_zoo_name(path: str) -> bool:
    """Tell whether this names a model of the zoo."""
    return path.startswith(PREFIX)


def find_model(name: str) -> Model:
    """The model of a name, with or without `zoo:` before it and a hash behind it.

    Raises:
        CheckpointError: there is none; the message names similar ones.
    """
    wanted = name.removeprefix(PREFIX).partition("#")[0]
    if wanted not in MODELS:
        hint = did_you_mean(wanted, MODELS) or "; `aligndetr zoo` lists them"
        raise CheckpointError(f"the zoo has no {wanted!r}{hint}")
    return MODELS[wanted]


def url_of(name: str) -> str:
    """What to fetch for `zoo:NAME`, or `zoo:NAME#sha256=...`, with the hash where it is known.

    Raises:
        CheckpointError: there is no such model, or only a person can fetch it.
    """
    model, given = find_model(name), name.partition("#")[2]
    if model.by_hand:
        raise CheckpointError(
            f"{name} lies where only a browser can fetch it: open {model.url}, save the file, and "
            f"give it as the checkpoint with the config {model.config}"
        )
    known = f"sha256={model.sha256}" if len(model.sha256) == 64 else ""
    end = given or known
    return f"{model.url}#{end}" if end else model.url
