"""The support matrix of docs/export.md: every family exported, run by its runtime and judged.

    python docs/make_export_table.py [--free] [FORMAT ...]

Weights are random, and heads drawn so that queries differ; images are the demo's. With `--free` the
files take any size, and the gate tries three others than the traced one; without, they take one.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path

import torch

from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.errors import UserError
from aligndetr.export.exporting import FORMATS, Proof, Source, Wish, export
from aligndetr.export.program import Canvas

FAMILIES = {
    "AlignDETR": ("aligndetr_tiny",),
    "DINO, deformable convolution": ("dino_tiny", "+model.backbone.deform_stages=[res4]"),
    "Deformable-DETR, two-stage": ("deformable_detr_tiny",),
    "H-Deformable-DETR": ("h_deformable_detr_tiny",),
    "DAB-Deformable-DETR": ("dab_deformable_detr_tiny",),
    "DAB-DETR": ("dab_detr_tiny",),
    "Align-DAB-DETR": ("align_dab_detr_tiny",),
    "DETR": ("detr_tiny",),
    "RT-DETR": ("rtdetr_tiny",),
    "DINO with DAT's layer": ("dino_dat_tiny",),
}
KINDS = {
    "ONNX": Wish("onnx"),
    "ONNX half": Wish("onnx", "fp16"),
    "OpenVINO": Wish("openvino"),
    ".pt2": Wish("torch_export"),
}
CANVAS = Canvas(160, 192, batch=1, fixed=True)


def source(name: str, *overrides: str) -> Source:
    """A family's tiny detector with random weights, whose queries differ."""
    torch.manual_seed(0)
    config = LazyConfig.load(resolve_config(name))
    words = ["model.num_classes=6", "train.device=cpu", *overrides]
    made = Source(LazyConfig.apply_overrides(config, words), None)
    for head in dict.fromkeys(made.model.decoder.class_heads):  # in order
        torch.nn.init.normal_(head.weight, std=0.5)
    for head in dict.fromkeys(made.model.decoder.box_heads):
        torch.nn.init.normal_(head.layers[-1].weight, std=0.3)
    return made


def cell(made: Source, wish: Wish) -> str:
    """The largest difference of a logit, and how much of what was compared agrees."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            outcome = export(made, wish, Path(folder), Proof(count=3))
        except UserError:
            return "refused"
    figures = {figure.name: figure.value for figure in outcome.judgement.figures}
    verdict = "" if outcome.judgement.passed else " REJECTED"
    largest, share = figures["largest difference of a logit"], figures["queries alike"]
    return f"{largest:.0e}, {share:.0f} %{verdict}"


def main() -> None:
    """Print the table, row by row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="FORMAT", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--free", action="store_true", help="any size instead of a fixed one")
    args = parser.parse_args()
    kinds = {name: KINDS[name] for name in args.kinds or KINDS}
    assert {wish.format for wish in KINDS.values()} == FORMATS.keys()
    print(f"| family | {' | '.join(kinds)} |\n|---|{'---|' * len(kinds)}", flush=True)
    for title, choice in FAMILIES.items():
        made = source(*choice)
        wishes = [
            dataclasses.replace(wish, canvas=None if args.free else CANVAS)
            for wish in kinds.values()
        ]
        print(f"| {title} | {' | '.join(cell(made, wish) for wish in wishes)} |", flush=True)


if __name__ == "__main__":
    main()
