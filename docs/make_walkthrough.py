#!/usr/bin/env python
"""Regenerate the figures and the figures' numbers of docs/walkthrough.md.

    aligndetr train aligndetr_tiny train.seed=1 train.output_dir=output/aligndetr_tiny
    aligndetr train deformable_detr_tiny train.output_dir=output/deformable_detr_tiny
    python docs/make_walkthrough.py

Both trainings take minutes on a CPU. What stands between `<!-- begin NAME -->` and `<!-- end -->`
in the page is written by this script; the rest is prose.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))

import walkthrough_figures as figures  # noqa: E402

from aligndetr.config import LazyConfig, instantiate  # noqa: E402
from aligndetr.config.find_file import resolve_config  # noqa: E402
from aligndetr.data.images import read_image  # noqa: E402
from aligndetr.engine.checkpoint import load_model_file  # noqa: E402
from aligndetr.engine.model import load_model  # noqa: E402
from aligndetr.explanation import Walk, inspect_image, walk  # noqa: E402
from aligndetr.explanation.inspection_matches_picture import draw_matches  # noqa: E402
from aligndetr.explanation.inspection_sampling_picture import draw_sampling  # noqa: E402
from aligndetr.files import atomic_write  # noqa: E402
from aligndetr.layers.boxes import cxcywh_to_xyxy  # noqa: E402
from aligndetr.visualization.draw import draw_instances  # noqa: E402
from aligndetr.visualization.predictions import ground_truth, side_by_side  # noqa: E402

PAGE, PICTURES = FOLDER / "walkthrough.md", FOLDER / "pictures" / "walkthrough"
IMAGES = (4, 7)  # ids in shapes_val: upright with 4 objects, and wide with 6
KEEP = ("backbone", "neck", "pyramid", "encoder", "encoder.layers.0.self_attention",
        "query_source", "query_source.class_head", "denoiser", "decoder")  # fmt: skip

# path of a step, tensor of its result, letters, what it is
SHAPES = (
    ("backbone", "res3", "B - H_0 W_0", "features of stride 8"),
    ("backbone", "res5", "B - H_2 W_2", "features of stride 32"),
    ("neck", "[0]", "B C H_0 W_0", "the same with C channels"),
    ("neck", "[2]", "B C H_2 W_2", ""),
    ("pyramid", "tokens", "B S C", "all levels in a row"),
    ("pyramid", "position", "B S C", "position and level embedding"),
    ("pyramid", "padding", "B S", "True = padding"),
    ("pyramid", "valid_ratios", "B L 2", "share of each level that is image"),
    ("encoder", "", "B S C", "memory"),
    ("query_source", "proposals.logits", "1 B {proposals} K", "class scores of the proposals"),
    ("query_source", "proposals.boxes", "1 B {proposals} 4", "boxes of the proposals"),
    ("query_source", "content", "B Q C", "what queries are"),
    ("query_source", "anchors", "B Q 4", "where queries are, as logits"),
    ("denoiser", "content", "B D C", "noised labels, embedded"),
    ("denoiser", "anchors", "B D 4", "noised boxes, as logits"),
    ("decoder", "logits", "I B {queries} K", "class scores of every layer"),
    ("decoder", "boxes", "I B {queries} 4", "boxes of every layer"),
    ("criterion.matcher", "query", "M", "which query ..."),
    ("criterion.matcher", "target", "M", "... answers for which object"),
)


@dataclass
class Story:
    """One model on its way through both images."""

    model: Any
    items: list[dict[str, Any]]
    records: list[dict[str, Any]]
    class_names: list[str]

    @staticmethod
    def of(config_name: str, checkpoint: str | None) -> Story:
        """Build a model; without a checkpoint its weights are random."""
        config = LazyConfig.load(resolve_config(config_name))
        dataset = instantiate(config.dataloader.test.dataset)
        torch.manual_seed(0)
        model = load_model(config, checkpoint, dataset.class_names, "model", "cpu")
        config.dataloader.test.mapper.is_train = True  # ground truth comes along
        mapper = instantiate(config.dataloader.test.mapper)
        by_id = {record["image_id"]: record for record in dataset}
        records = [by_id[image_id] for image_id in IMAGES]
        return Story(model, [mapper(r) for r in records], records, dataset.class_names)

    def walked(self, training: bool) -> Walk:
        """One forward of both images, with what the figures need."""
        torch.manual_seed(1)
        state = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.train(training)
        with torch.no_grad():
            result = walk(self.model, self.items, keep=KEEP)
        self.model.load_state_dict(state)  # a training forward moves running means
        self.model.eval()
        return result

    def image(self, index: int = 0) -> np.ndarray:
        """(H, W, 3) uint8."""
        return read_image(self.records[index]["file_name"])

    def inspected(self):
        """The first image, alone."""
        return inspect_image(self.model, self.items[0], self.image(), self.class_names)

    def truth(self) -> np.ndarray:
        """(G, 4) xyxy boxes of the first image, normalised."""
        return cxcywh_to_xyxy(self.model.targets(self.items[:1]).boxes[0]).numpy()


def shape_table(story: Story, trained: Walk) -> str:
    """Shapes of a training forward; every letter is checked against what it stands for.

    Raises:
        ValueError: a shape is not what the letters say.
    """
    found = {step.path: step for step in trained.root.steps()}
    sizes = _sizes(story, found)
    words = {"proposals": "Q" if sizes["Q"] == _proposals(found) else "S",
             "queries": "D+Q" if "denoiser" in found else "Q"}  # fmt: skip
    rows = ["| step | result | shape | here | what |", "|---|---|---|---|---|"]
    for path, name, letters, what in SHAPES:
        if path not in found:
            continue
        [value] = [v for v in found[path].output.values if v.name == name]
        letters = letters.format(**words).split()
        for letter, size in zip(letters, value.shape, strict=True):
            if letter != "-" and sizes.setdefault(letter, size) != size:
                raise ValueError(f"{path} {name}: {letter} is {sizes[letter]}, but {value.shape}")
        shape = ", ".join("C'" if letter == "-" else letter for letter in letters)
        here = ", ".join(map(str, value.shape))
        rows.append(f"| `{path}` | {name and f'`{name}`'} | ({shape}) | ({here}) | {what} |")
    return "\n".join(rows)


def _proposals(found: dict) -> int:
    values = found["query_source"].output.values
    return next(v.shape[2] for v in values if v.name == "proposals.boxes")


def _sizes(story: Story, found: dict) -> dict[str, int]:
    """What letters stand for, from the model and its images."""
    model, items = story.model, story.items
    height, width = (max(item["image"].shape[side] for item in items) for side in (1, 2))
    sizes = {"B": len(items), "C": model.embed_dim, "K": model.num_classes, "1": 1, "2": 2, "4": 4,
             "Q": model.num_queries, "I": len(model.decoder.layers)}  # fmt: skip
    shapes = [(math.ceil(height / s), math.ceil(width / s)) for s in (8, 16, 32)]
    for level, (h, w) in enumerate(shapes):
        sizes |= {f"H_{level}": h, f"W_{level}": w}
    sizes |= {"L": len(shapes), "S": sum(h * w for h, w in shapes)}
    if model.denoiser is not None:
        largest = max(len(item["instances"]) for item in items)
        groups = max(1, model.denoiser.num_queries // largest)
        sizes |= {"D": 2 * largest * groups}
        sizes["D+Q"] = sizes["D"] + sizes["Q"]
    return sizes


def checkpoint_table(checkpoints: dict[str, str]) -> str:
    """How long the models were trained."""
    rows = ["| model | iterations |", "|---|---|"]
    for name, path in checkpoints.items():
        rows.append(f"| {name} | {load_model_file(path)['iteration'] + 1} |")
    return "\n".join(rows)


def ratio_table(evaluated: Walk) -> str:
    """Valid ratios of both images in every level."""
    ratios = evaluated.root.find("pyramid").result.valid_ratios
    rows = ["| level | first image (width, height) | second image |", "|---|---|---|"]
    for level in range(ratios.shape[1]):
        cells = [f"{x:.3f}, {y:.3f}" for x, y in ratios[:, level].tolist()]
        rows.append(f"| {level} | {' | '.join(cells)} |")
    return "\n".join(rows)


def match_table(inspections: dict[str, Any]) -> str:
    """Matched queries of every layer, rank by rank."""
    rows = ["| model | layer | queries an object | pairs | mean IoU, rank 0 | rank 1 |",
            "|---|---|---|---|---|---|"]  # fmt: skip
    for name, inspection in inspections.items():
        for layer in inspection.layers:
            ious = [[p.iou for p in layer.pairs if p.rank == rank] for rank in (0, 1)]
            cells = [f"{np.mean(values):.2f}" if values else "-" for values in ious]
            rows.append(f"| {name} | {layer.name} | {layer.most_queries} | {len(layer.pairs)} | "
                        f"{' | '.join(cells)} |")  # fmt: skip
    return "\n".join(rows)


def rank_table(pairs: list, alpha: float) -> str:
    """The pairs of one object with all that the align loss makes of them."""
    rows = ["| query | score p | IoU u | t | rank r | weight | target t' |", "|" + "---|" * 7]
    for pair in pairs:
        t = max(pair.score**alpha * pair.iou ** (1 - alpha), 0.01)
        rows.append(f"| {pair.query} | {pair.score:.3f} | {pair.iou:.3f} | {t:.3f} | {pair.rank} | "
                    f"{pair.weight:.3f} | {pair.goal:.3f} |")  # fmt: skip
    return "\n".join(rows)


def loss_table(trained: Walk) -> str:
    """Losses of the training step: terms by layers."""
    losses = {value.name: value for value in trained.root.output.values}
    suffixes = [name.removeprefix("loss_class") for name in losses if name.startswith("loss_class")]
    rows = ["| loss | class | bbox | giou |", "|---|---|---|---|"]
    for suffix in suffixes:
        cells = [f"{losses[f'loss_{t}{suffix}'].minimum:.3f}" for t in ("class", "bbox", "giou")]
        rows.append(f"| `{suffix or '(last)'}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def write_blocks(page: str, blocks: dict[str, str]) -> str:
    """The page with new content in its marked blocks.

    Raises:
        ValueError: a block is not in the page.
    """
    for name, content in blocks.items():
        pattern = rf"(<!-- begin {name} -->\n).*?(<!-- end -->)"
        page, count = re.subn(
            pattern, lambda m, c=content: f"{m[1]}{c}\n{m[2]}", page, flags=re.DOTALL
        )
        if count != 1:
            raise ValueError(f"{PAGE.name} has {count} blocks {name!r}; it needs one")
    return page


def draw(align: Story, evaluated: Walk, trained: Walk, inspections: dict[str, Any]) -> None:
    """All figures."""
    images = [align.image(index) for index in range(len(IMAGES))]
    truth = align.truth()
    figures.batch_figure(images, evaluated, PICTURES / "batch.png")
    figures.features_figure(images[0], evaluated, PICTURES / "features.png")
    middle = (truth[0, :2] + truth[0, 2:]) / 2
    figures.encoder_figure(images[0], align.model, evaluated, middle, PICTURES / "encoder.png")
    figures.proposals_figure(images[0], evaluated, PICTURES / "proposals.png")
    figures.denoising_figure(images[0], trained, truth, PICTURES / "denoising.png")
    loss = align.model.criterion.classification
    pairs = rank_pairs(inspections["AlignDETR"])
    alpha, tau, gamma = loss.target.alpha, loss.rank_weights.tau, loss.weighting.gamma
    figures.ranks_figure(alpha, tau, gamma, pairs, PICTURES / "ranks.png")
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.png"
        for name, inspection in inspections.items():
            draw_matches(inspection, large, title=name)
            _shrink(large, PICTURES / f"matches_{name.partition('-')[0].lower()}.png")
        inspection = inspections["AlignDETR"]
        draw_sampling(inspection, inspection.favourite(), large)
        _shrink(large, PICTURES / "sampling.png")


def _shrink(source: Path, target: Path, longest: int = 1150) -> None:
    with Image.open(source) as picture:
        picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        figures.shrink(picture, target)


def draw_results(stories: dict[str, Story], threshold: float = 0.3) -> None:
    """Ground truth and detections of all models."""
    first = next(iter(stories.values()))
    pictures = [draw_instances(first.image(), ground_truth(first.records[0]), first.class_names)]
    for story in stories.values():
        with torch.no_grad():
            [found] = story.model.eval()(story.items[:1])
        pictures.append(
            draw_instances(story.image(), found["instances"], story.class_names, threshold)
        )
    sheet = side_by_side(pictures, ["ground truth", *stories])
    sheet.thumbnail((1100, 1100), Image.Resampling.LANCZOS)
    figures.shrink(sheet, PICTURES / "results.png")


def rank_pairs(inspection) -> list:
    """The pairs of the largest object in the first decoder layer."""
    areas = [(t.box[2] - t.box[0]) * (t.box[3] - t.box[1]) for t in inspection.things]
    layer = next(layer for layer in inspection.layers if layer.index == 1)
    return [pair for pair in layer.pairs if pair.thing == int(np.argmax(areas))]


def main() -> None:
    """Walk, draw, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    for name in ("aligndetr_tiny", "deformable_detr_tiny"):
        add(f"--{name.partition('_')[0]}", default=f"output/{name}/model_final.pth", metavar="FILE",
            help="checkpoint (default: %(default)s)")  # fmt: skip
    args = parser.parse_args()
    align = Story.of("aligndetr_tiny", args.aligndetr)
    deformable = Story.of("deformable_detr_tiny", args.deformable)
    stories = {"Deformable-DETR": deformable, "AlignDETR": align}
    evaluated, trained = align.walked(training=False), align.walked(training=True)
    inspections = {name: story.inspected() for name, story in stories.items()}
    checkpoints = {"Deformable-DETR": args.deformable, "AlignDETR": args.aligndetr}
    blocks = {
        "checkpoints": checkpoint_table(checkpoints),
        "shapes": shape_table(align, trained),
        "shapes-deformable": shape_table(deformable, deformable.walked(training=True)),
        "ratios": ratio_table(evaluated),
        "matches": match_table(inspections),
        "ranks": rank_table(
            rank_pairs(inspections["AlignDETR"]), align.model.criterion.classification.target.alpha
        ),
        "losses": loss_table(trained),
    }
    page = write_blocks(PAGE.read_text(encoding="utf-8"), blocks)
    draw(align, evaluated, trained, inspections)
    draw_results(stories)
    with atomic_write(PAGE) as file:
        file.write(page)
    print(f"{PAGE}, {len(list(PICTURES.glob('*.png')))} figures in {PICTURES}")


if __name__ == "__main__":
    main()
