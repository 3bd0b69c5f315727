"""The figures of docs/walkthrough.md."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from aligndetr.explanation import Walk
from aligndetr.explanation.inspection_picture_panels import INK, SOFT, faded, frame
from aligndetr.files import atomic_write
from aligndetr.layers.boxes import cxcywh_to_xyxy
from aligndetr.runtime.drawing.palette import class_color, hex_color
from aligndetr.visualization.curves import COLORS

DPI = 100


def save(figure: Figure, path: Path) -> None:
    """Write a PNG of few colours, a third of the usual size."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
    shrink(Image.open(buffer), path)


def shrink(picture: Image.Image, path: Path) -> None:
    """Write a picture with 255 colours, rare ones included, and dithered."""
    picture = picture.convert("RGB")
    colors = picture.quantize(255, Image.Quantize.MAXCOVERAGE, kmeans=2)
    few = picture.quantize(palette=colors, dither=Image.Dither.FLOYDSTEINBERG)
    with atomic_write(path, "wb") as file:
        few.save(file, "PNG", optimize=True)


def _bare(axes, title: str = "") -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    if title:
        axes.set_title(title, loc="left", fontsize=9.5, color=INK)


def _unpadded(value: np.ndarray, share: Sequence[float]) -> np.ndarray:
    """The part of a map that is not padding."""
    width, height = (
        round(side * part) for side, part in zip(value.shape[::-1], share, strict=True)
    )
    return value[:height, :width]


def batch_figure(images: Sequence[np.ndarray], walk: Walk, path: Path) -> None:
    """Both images in their padded batch, with the grid of the coarsest level."""
    ratios = walk.root.find("pyramid").result.valid_ratios
    height, width = (max(image.shape[side] for image in images) for side in (0, 1))
    rows, columns = walk.root.find("neck").output.values[-1].shape[2:]
    figure = Figure(figsize=(8.6, 4.3), layout="constrained")
    for axes, image, ratio in zip(figure.subplots(1, 2), images, ratios, strict=True):
        h, w = image.shape[:2]
        axes.set_facecolor("#cfd6dd")
        axes.imshow(image, extent=(0, w, h, 0))
        for line in range(1, rows):
            axes.axhline(line * height / rows, color="white", linewidth=0.7, alpha=0.8)
        for line in range(1, columns):
            axes.axvline(line * width / columns, color="white", linewidth=0.7, alpha=0.8)
        x, y = ratio[-1].tolist()
        frame(axes, (0, 0, x * width, y * height), edgecolor=COLORS[1], linewidth=2.5)
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        _bare(axes, f"{w}×{h} in {width}×{height}; valid in level {len(ratio[:, 0]) - 1}: "
                    f"{x:.2f} × {y:.2f}")  # fmt: skip
    save(figure, path)


def features_figure(image: np.ndarray, walk: Walk, path: Path) -> None:
    """Length of the feature vectors behind backbone, neck and encoder."""
    pyramid = walk.root.find("pyramid").result
    ratios = pyramid.valid_ratios[0].tolist()
    neck = [level[0] for level in walk.root.find("neck").result]
    backbone = walk.root.find("backbone").result
    sizes = [level.shape[1] * level.shape[2] for level in neck]
    memory = walk.root.find("encoder").result[0].split(sizes)
    rows = [
        ("backbone", [level[0].norm(dim=0) for level in backbone.values()]),
        ("neck", [level.norm(dim=0) for level in neck]),
        ("memory", [
            tokens.norm(dim=1).unflatten(0, level.shape[1:])
            for tokens, level in zip(memory, neck, strict=True)
        ]),
    ]  # fmt: skip
    figure = Figure(figsize=(8.2, 9.2), layout="constrained")
    grid = figure.subplots(3, len(ratios) + 1)
    for row, (title, maps) in zip(grid, rows, strict=True):
        if row[0] is grid[0, 0]:
            row[0].imshow(image)
            _bare(row[0], "image")
        else:
            row[0].axis("off")
        for axes, value, ratio, name in zip(row[1:], maps, ratios, backbone, strict=True):
            shown = _unpadded(value.numpy(), ratio)
            axes.imshow(shown, cmap="viridis")
            _bare(axes, "{}: {}×{}".format(name if title == "backbone" else title, *shown.shape))
    save(figure, path)


def encoder_figure(image: np.ndarray, model, walk: Walk, center: np.ndarray, path: Path) -> None:
    """Reference points of all tokens, and where one of them samples."""
    pyramid = walk.root.find("pyramid").result
    centers, ratios, shapes = pyramid.centers[0], pyramid.valid_ratios[0], pyramid.shapes
    sizes = [h * w for h, w in shapes]
    height, width = image.shape[:2]
    figure = Figure(figsize=(8.6, 5.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        axes.imshow(faded(image, 0.5), extent=(0, width, height, 0))
        _bare(axes)
    for level, points in enumerate(centers.split(sizes)):
        inside = points[(points <= 1).all(-1)] * torch.tensor([width, height])
        left.scatter(*inside.T, s=(5, 22, 70)[min(level, 2)], color=COLORS[level], linewidths=0,
                     label=f"level {level}: {sizes[level]} tokens")  # fmt: skip
    left.set_title("reference points: the tokens' centres", loc="left", fontsize=9.5)
    # a token of the middle level
    first = sizes[0]
    distance = (centers[first : first + sizes[1]] - torch.tensor(center)).norm(dim=-1)
    token = first + int(distance.argmin())
    attention = model.encoder.layers[0].self_attention
    call = walk.root.find("encoder.layers.0.self_attention")
    names = ("query", "reference", "spatial_shapes", "query_pos")
    locations, weights = attention.sampling_points(*map(call.argument, names))
    points = locations[0, token] / ratios[:, None]
    for level in range(len(shapes)):
        xy = points[:, level].reshape(-1, 2) * torch.tensor([width, height])
        area = 200 * weights[0, token, :, level].flatten() + 3
        style = {"edgecolors": "white", "linewidths": 0.5, "alpha": 0.85}
        right.scatter(*xy.T, s=area, color=COLORS[level], **style)
    x, y = (centers[token] * torch.tensor([width, height])).tolist()
    right.plot(x, y, "+", markersize=14, markeredgewidth=2.2, color=INK)
    right.set_title(f"where token {token} (+) of level 1 samples", loc="left", fontsize=9.5)
    for axes in (left, right):
        axes.set_xlim(-4, width + 4)
        axes.set_ylim(height + 4, -4)
    figure.legend(loc="outside lower left", ncols=3, frameon=False, fontsize=9)
    save(figure, path)


def proposals_figure(image: np.ndarray, walk: Walk, path: Path) -> None:
    """Best score of every token, and the boxes of the chosen ones."""
    shapes = walk.root.find("pyramid").result.shapes
    scores = walk.root.find("query_source.class_head").result[0].sigmoid().amax(-1)
    ratios = walk.root.find("pyramid").result.valid_ratios[0].tolist()
    chosen = walk.root.find("query_source").result.anchors[0].sigmoid()
    figure = Figure(figsize=(9.4, 4.3), layout="constrained")
    panels = figure.subplots(1, len(shapes) + 1)
    levels = scores.split([h * w for h, w in shapes])
    for level, (axes, values) in enumerate(zip(panels, levels, strict=False)):
        value = _unpadded(values.unflatten(0, shapes[level]).numpy(), ratios[level])
        shown = axes.imshow(value, cmap="magma", vmin=0, vmax=float(scores.max()))
        _bare(axes, f"score, level {level}")
    figure.colorbar(shown, ax=panels[: len(shapes)], location="bottom", shrink=0.5, aspect=40)
    height, width = image.shape[:2]
    panels[-1].imshow(faded(image), extent=(0, width, height, 0))
    for rank, box in reversed(list(enumerate(cxcywh_to_xyxy(chosen).numpy()))):
        style = {"edgecolor": COLORS[1] if rank < 8 else "white",
                 "linewidth": 1.6 if rank < 8 else 0.6}  # fmt: skip
        frame(panels[-1], box * np.tile([width, height], 2), **style)
    _bare(panels[-1], f"the {len(chosen)} best, 8 of them orange")
    panels[-1].set_xlim(0, width)
    panels[-1].set_ylim(height, 0)
    save(figure, path)


def denoising_figure(image: np.ndarray, walk: Walk, truth: np.ndarray, path: Path) -> None:
    """Noised boxes of one group, and the mask that separates the groups."""
    queries = walk.root.find("denoiser").result
    noised, groups, slots = (
        queries.anchors[0].sigmoid(),
        queries.num_groups,
        queries.slots_per_group,
    )
    blocked = walk.root.find("decoder").argument("blocked").numpy()
    half = slots // 2
    height, width = image.shape[:2]
    figure = Figure(figsize=(9.4, 5.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.35))
    left.imshow(faded(image), extent=(0, width, height, 0))
    scale = np.tile([width, height], 2)
    boxes = cxcywh_to_xyxy(noised).numpy() * scale
    for index, box in enumerate(truth * scale):
        color = hex_color(class_color(index))
        frame(left, box, edgecolor="white", linewidth=1.3)
        frame(left, boxes[index], edgecolor=color, linewidth=2)
        frame(left, boxes[half + index], edgecolor=color, linewidth=1.2,
              linestyle=(0, (3, 2)))  # fmt: skip
    _bare(left, "group 1 of the first image")
    left.set_xlim(-6, width + 6)
    left.set_ylim(height + 6, -6)
    kinds = {"positive": {"linewidth": 2}, "negative": {"linewidth": 1.2, "linestyle": (0, (3, 2))}}
    lines = [Line2D([], [], color=SOFT, label=name, **style) for name, style in kinds.items()]
    left.legend(handles=lines, loc="upper left", bbox_to_anchor=(0, -0.01), ncols=2, frameon=False)
    total = groups * slots
    right.imshow(blocked, cmap="Greys", vmin=0, vmax=1.5, interpolation="nearest")
    for edge in [*range(slots, total + 1, slots)]:
        right.axhline(edge - 0.5, color=COLORS[1], linewidth=0.8)
        right.axvline(edge - 0.5, color=COLORS[1], linewidth=0.8)
    middles = [slots * (g + 0.5) for g in range(groups)] + [(total + len(blocked)) / 2]
    names = [f"group {g + 1}" for g in range(groups)] + ["matching"]
    right.set_xticks(middles, names, fontsize=8.5)
    right.set_yticks(middles, names, fontsize=8.5, rotation=90, va="center")
    right.set_title("grey: the row must not see the column", loc="left", fontsize=9.5, color=INK)
    save(figure, path)


def ranks_figure(alpha: float, tau: float, gamma: float, pairs: list, path: Path) -> None:
    """Rank weights, what the pairs of one object aim at, and the loss that follows."""
    figure = Figure(figsize=(10.4, 3.5), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    rank = np.arange(6)
    for index, value in enumerate((tau, 3.0)):
        left.plot(rank, np.exp(-rank / value), "o-", color=COLORS[index], label=f"τ = {value:g}")
    left.set_title("rank weight exp(−r / τ)", loc="left", fontsize=10)
    left.set_xlabel("rank r")
    names = ("score p", "IoU u", "t", "weight", "target t'")
    for index, pair in enumerate(pairs):
        quality = max(pair.score**alpha * pair.iou ** (1 - alpha), 0.01)
        values = (pair.score, pair.iou, quality, pair.weight, pair.goal)
        middle.bar(np.arange(5) + 0.4 * index - 0.2, values, 0.36, color=COLORS[index],
                   label=f"query {pair.query}, rank {pair.rank}")  # fmt: skip
    middle.set_xticks(range(5), names, fontsize=8.5)
    middle.set_title("the queries of one object", loc="left", fontsize=10)
    p = np.linspace(0.005, 0.995, 200)
    for index, pair in enumerate(pairs):
        loss = -pair.goal * np.log(p) - (1 - pair.goal) * np.log(1 - p)
        right.plot(p, loss, color=COLORS[index], label=f"matched, t' = {pair.goal:.2f}")
        right.plot(pair.goal, np.interp(pair.goal, p, loss), "o", color=COLORS[index])
    right.plot(p, -(p**gamma) * np.log(1 - p), color=SOFT, linestyle="--", label="not matched")
    right.set_ylim(0, 3)
    right.set_title("loss against the score p", loc="left", fontsize=10)
    right.set_xlabel("p")
    for axes in (left, middle, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.legend(frameon=False, fontsize=8.5)
    middle.set_ylim(0, 1.32)
    save(figure, path)
