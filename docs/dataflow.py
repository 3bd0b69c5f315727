"""The picture of the README that shows what happens to an image."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle

INK, SOFT, PAPER = "#1f2933", "#61707f", "#ffffff"
FEATURES, QUERIES, TRAINING = "#2f6fb0", "#d9822b", "#2b8a5b"
FILL = {FEATURES: "#e8f1fa", QUERIES: "#fdf1e3", TRAINING: "#e6f4ec"}

# Units are inches; the figure is WIDTH x HEIGHT of them.
WIDTH, HEIGHT = 16.8, 6.5
BOX, GAP, THUMB = 1.45, 0.42, 1.35
ROW, TALL = 3.75, 2.35  # bottom and height of the main row
LOW, SHORT = 0.62, 1.62  # of the training row


def dataflow(file: Path) -> None:
    """What happens to an image, from pixels to objects and, in training, to losses."""
    figure = Figure(figsize=(WIDTH, HEIGHT), facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(0, HEIGHT)
    axes.axis("off")
    lefts = [0.3 + THUMB + GAP + i * (BOX + GAP) for i in range(7)]
    thumb_bottom = ROW + (TALL - THUMB) / 2
    _scene(axes, 0.3, thumb_bottom, boxes=False)
    _note(axes, 0.3 + THUMB / 2, thumb_bottom, "(B, 3, H, W)", "images")
    for left, (title, subtitle, shape, color, glyph) in zip(lefts, STAGES, strict=True):
        _stage(axes, left, ROW, TALL, title, subtitle, color)
        _note(axes, left + BOX / 2 + 0.05, ROW, shape)
        glyph(axes, left + BOX / 2, ROW + 1.13)
    last = lefts[-1] + BOX + GAP
    _scene(axes, last, thumb_bottom, boxes=True)
    _note(axes, last + THUMB / 2, thumb_bottom, "boxes, scores,\nclasses", "objects")
    middle = ROW + TALL / 2
    for x in [0.3 + THUMB, *(left + BOX for left in lefts)]:
        _arrow(axes, (x + 0.04, middle), (x + GAP - 0.04, middle))
    _training(axes, lefts, last)
    _legend(axes)
    figure.savefig(file, dpi=130, facecolor=PAPER)


def _training(axes, lefts: list[float], last: float) -> None:
    """The lower row: what is there in training only."""
    start, wide = lefts[2] - 0.1, BOX + 0.25
    panel = FancyBboxPatch(
        (start, 0.22), WIDTH - 0.25 - start, 2.72, boxstyle="round,pad=0,rounding_size=0.15",
        facecolor="#f6faf8", edgecolor=TRAINING, linewidth=1.3, linestyle=(0, (4, 3)),
    )  # fmt: skip
    axes.add_patch(panel)
    axes.text(start + 0.2, 2.62, "training only", color=TRAINING, fontsize=14, weight="bold")
    truth, denoiser, matcher = lefts[2] + 0.12, lefts[4] - 0.25, lefts[5] + 1.0
    criterion = WIDTH - 0.5 - wide
    _scene(axes, truth, LOW + 0.3, boxes=True)
    axes.text(truth + THUMB / 2, LOW + 0.06, "ground truth", ha="center", fontsize=12, color=INK)
    row = (LOW, SHORT)
    _stage(axes, denoiser, *row, "Denoiser", "noisy objects as\nD more queries", TRAINING, wide)
    _stage(axes, matcher, *row, "Matcher", "several queries\nan object, then one", TRAINING, wide)
    _stage(axes, criterion, *row, "Criterion", "IA-BCE, L1, GIoU", TRAINING, wide)
    _denoiser_glyph(axes, denoiser + wide / 2, LOW + 0.38)
    _matcher_glyph(axes, matcher + wide / 2, LOW + 0.38)
    axes.text(
        criterion + wide / 2, LOW + 0.52,
        r"$t = e^{-r/\tau}\,p^{\,\alpha}\,\mathrm{IoU}^{\,1-\alpha}$",
        ha="center", va="center", fontsize=12.5, color=INK,
    )  # fmt: skip
    level, fork, below = LOW + SHORT / 2, truth + THUMB + 0.3, LOW - 0.2
    _arrow(axes, (truth + THUMB + 0.06, level), (denoiser - 0.05, level), TRAINING)
    _arrow(axes, (matcher + wide + 0.05, level), (criterion - 0.05, level), TRAINING)
    under = [(fork, level), (fork, below), (matcher + 0.6, below), (matcher + 0.6, LOW - 0.03)]
    _bent_arrow(axes, under, TRAINING)
    up, into = denoiser + wide / 2, lefts[5] + 0.17
    turn = LOW + SHORT + 0.38
    _bent_arrow(axes, [(up, LOW + SHORT), (up, turn), (into, turn), (into, ROW - 0.04)], TRAINING)
    down = lefts[6] + 0.17
    _arrow(axes, (down, ROW - 0.04), (down, LOW + SHORT + 0.04), TRAINING)
    axes.text(down + 0.14, turn, "of every layer", fontsize=11.8, color=SOFT, va="center")


def _legend(axes) -> None:
    """Letters and colours."""
    words = {
        "B": "images", "C": "channels", "L": "levels", "S": "tokens of all levels",
        "Q": "queries", "D": "denoising queries", "I": "decoder layers", "K": "classes",
    }  # fmt: skip
    for index, (letter, word) in enumerate(words.items()):
        x, y = 0.4 + 2.25 * (index // 4), 2.55 - 0.33 * (index % 4)
        axes.text(x, y, letter, fontsize=12, weight="bold", color=INK, family="monospace")
        axes.text(x + 0.28, y, word, fontsize=12.5, color=SOFT)
    colors = ((FEATURES, "image features"), (QUERIES, "queries"), (TRAINING, "training only"))
    for index, (color, word) in enumerate(colors):
        y = 1.1 - 0.33 * index
        axes.add_patch(
            Rectangle((0.4, y - 0.02), 0.2, 0.17, facecolor=FILL[color], edgecolor=color)
        )
        axes.text(0.75, y, word, fontsize=12.5, color=SOFT)


def _stage(axes, left, bottom, height, title, subtitle, color, width=BOX) -> None:
    """A rounded box with a title and one or two lines below it."""
    box = FancyBboxPatch(
        (left, bottom), width, height, boxstyle="round,pad=0,rounding_size=0.12",
        facecolor=FILL[color], edgecolor=color, linewidth=1.6,
    )  # fmt: skip
    axes.add_patch(box)
    center = left + width / 2
    axes.text(
        center, bottom + height - 0.34, title, ha="center", fontsize=15.5, weight="bold", color=INK
    )
    axes.text(
        center, bottom + height - 0.46, subtitle, ha="center", va="top", fontsize=11.8, color=SOFT,
        linespacing=1.25,
    )  # fmt: skip


def _note(axes, center: float, bottom: float, shape: str, word: str = "") -> None:
    """What a stage hands on, below it: a word in bold, and a shape."""
    y = bottom - 0.12
    if word:
        axes.text(center, y, word, ha="center", va="top", fontsize=13, weight="bold", color=INK)
        y -= 0.27
    family = "monospace" if "(" in shape else None
    axes.text(
        center, y, shape, ha="center", va="top", fontsize=11.8, color=SOFT, family=family,
        linespacing=1.3,
    )  # fmt: skip


def _arrow(axes, start, end, color=INK) -> None:
    """A short straight arrow."""
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>,head_width=4.5,head_length=7",
            linewidth=1.8,
            color=color,
            shrinkA=0,
            shrinkB=0,
        )
    )


def _bent_arrow(axes, points, color) -> None:
    """An arrow around corners."""
    xs, ys = zip(*points[:-1], strict=True)
    axes.plot(
        [*xs, points[-1][0]],
        [*ys, points[-1][1]],
        color=color,
        linewidth=1.8,
        solid_joinstyle="round",
    )
    _arrow(axes, points[-2], points[-1], color)


def _scene(axes, left: float, bottom: float, boxes: bool) -> None:
    """A small picture of shapes, maybe with boxes around them."""
    rng = np.random.default_rng(5)
    x, y = np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 1, 60))
    ground = 0.84 + 0.08 * np.sin(5 * x + 3 * y) + 0.025 * rng.standard_normal(x.shape)
    tint = np.stack([ground * 0.96, ground * 0.99, ground * 1.04], axis=-1).clip(0, 1)
    axes.imshow(tint, extent=(left, left + THUMB, bottom, bottom + THUMB), zorder=1, aspect="auto")

    def at(u: float, v: float) -> tuple[float, float]:
        return left + u * THUMB, bottom + v * THUMB

    triangle = [at(0.62, 0.58), at(0.88, 0.61), at(0.75, 0.85)]
    shapes = (
        (Circle(at(0.30, 0.68), 0.18 * THUMB, color="#e4572e"), (0.08, 0.46, 0.44, 0.44)),
        (
            Rectangle(at(0.54, 0.18), 0.3 * THUMB, 0.24 * THUMB, color="#3b7dd8"),
            (0.50, 0.14, 0.38, 0.32),
        ),
        (Polygon(triangle, color="#f2b134"), (0.58, 0.54, 0.34, 0.35)),
    )
    for shape, (u, v, w, h) in shapes:
        shape.set_zorder(2)
        axes.add_patch(shape)
        if boxes:
            frame = Rectangle(
                at(u, v), w * THUMB, h * THUMB, fill=False, edgecolor=shape.get_facecolor(),
                linewidth=2, zorder=3,
            )  # fmt: skip
            axes.add_patch(frame)
    border = Rectangle(
        (left, bottom), THUMB, THUMB, fill=False, edgecolor=SOFT, linewidth=1, zorder=4
    )
    axes.add_patch(border)
    axes.set_xlim(0, WIDTH)  # imshow changes the limits
    axes.set_ylim(0, HEIGHT)


def _slabs(axes, x: float, y: float, sizes, color: str) -> None:
    """Feature maps as slanted squares, one behind the other."""
    step = 0.26
    start = x - step * (len(sizes) - 1) / 2
    for index, size in enumerate(sizes):
        left, half, slant = start + index * step, size / 2, 0.11
        corners = [(left - slant, y - half - 0.06), (left + slant, y - half + 0.06),
                   (left + slant, y + half + 0.06), (left - slant, y + half - 0.06)]  # fmt: skip
        axes.add_patch(
            Polygon(corners, facecolor=color, alpha=0.75, edgecolor=PAPER, linewidth=1, zorder=3)
        )


def _backbone_glyph(axes, x, y):
    _slabs(axes, x, y - 0.35, (1.0, 0.72, 0.48, 0.3), FEATURES)


def _neck_glyph(axes, x, y):
    _slabs(axes, x, y - 0.35, (0.72, 0.48, 0.3, 0.18), "#5b9bd5")


def _pyramid_glyph(axes, x, y):
    _tokens(axes, x, y - 0.35, (FEATURES, "#5b9bd5", "#8fbce6", "#c0daf2"))


def _tokens(axes, x, y, colors) -> None:
    """A strip of tokens; each level takes half as many as the one before."""
    counts, width, total = (6, 3, 2, 1), 0.085, 12
    left = x - total * (width + 0.012) / 2
    for count, color in zip(counts, colors, strict=True):
        for _ in range(count):
            axes.add_patch(Rectangle((left, y - 0.22), width, 0.44, color=color, zorder=3))
            left += width + 0.012


def _layers_glyph(axes, x, y, color, text):
    for index in range(3):
        shift = 0.09 * index
        box = FancyBboxPatch(
            (x - 0.59 + shift, y - 0.72 + shift), 1.0, 0.5,
            boxstyle="round,pad=0,rounding_size=0.05", facecolor=PAPER, edgecolor=color,
            linewidth=1.3, zorder=5 - index,
        )  # fmt: skip
        axes.add_patch(box)
    axes.text(
        x - 0.09,
        y - 0.47,
        text,
        ha="center",
        va="center",
        fontsize=13,
        color=color,
        weight="bold",
        zorder=6,
    )


def _encoder_glyph(axes, x, y):
    _layers_glyph(axes, x, y, FEATURES, "× 6")


def _decoder_glyph(axes, x, y):
    _layers_glyph(axes, x, y, QUERIES, "× 6")


def _query_glyph(axes, x, y):
    heights = (0.14, 0.36, 0.2, 0.54, 0.3, 0.12, 0.44, 0.24)
    left = x - 0.5
    for height in heights:
        color = QUERIES if height > 0.33 else "#efd3b0"
        axes.add_patch(Rectangle((left, y - 0.68), 0.1, height, color=color, zorder=3))
        left += 0.13


def _heads_glyph(axes, x, y):
    for index, width in enumerate((0.42, 0.26, 0.12)):
        axes.add_patch(
            Rectangle((x - 0.56, y - 0.25 - 0.19 * index), width, 0.12, color=QUERIES, zorder=3)
        )
    axes.add_patch(
        Rectangle(
            (x + 0.1, y - 0.66), 0.45, 0.53, fill=False, edgecolor=QUERIES, linewidth=2, zorder=3
        )
    )
    axes.add_patch(Circle((x + 0.325, y - 0.395), 0.035, color=QUERIES, zorder=3))


def _denoiser_glyph(axes, x, y):
    for u, v, w, h, style in (
        (-0.3, -0.2, 0.6, 0.42, "-"),
        (-0.38, -0.14, 0.66, 0.3, ":"),
        (-0.2, -0.25, 0.56, 0.5, ":"),
    ):
        axes.add_patch(
            Rectangle(
                (x + u, y + v), w, h, fill=False, edgecolor=TRAINING, linewidth=1.6, linestyle=style
            )
        )


def _matcher_glyph(axes, x, y):
    queries = [(x - 0.45, y + 0.25 - 0.11 * i) for i in range(5)]
    objects = [(x + 0.45, y + 0.15), (x + 0.45, y - 0.12)]
    for query, thing in ((0, 0), (2, 0), (3, 1), (4, 1)):
        (x0, y0), (x1, y1) = queries[query], objects[thing]
        axes.plot([x0, x1], [y0, y1], color=TRAINING, linewidth=1.2, zorder=2)
    for center in queries:
        axes.add_patch(Circle(center, 0.04, color=QUERIES, zorder=3))
    for x0, y0 in objects:
        axes.add_patch(Rectangle((x0 - 0.06, y0 - 0.06), 0.12, 0.12, color=TRAINING, zorder=3))


STAGES = (
    ("Backbone", "ResNet", "res3, res4, res5", FEATURES, _backbone_glyph),
    ("Neck", "same channels\nfor all levels", "L × (B,C,h,w)", FEATURES, _neck_glyph),
    ("Pyramid", "all levels as\none sequence", "(B, S, C)", FEATURES, _pyramid_glyph),
    ("Encoder", "deformable\nself-attention", "(B, S, C)", FEATURES, _encoder_glyph),
    ("Queries", "best tokens\nas anchors", "(B, Q, C)\n(B, Q, 4)", QUERIES, _query_glyph),
    ("Decoder", "self- and cross-\nattention", "(I,B,Q,C)", QUERIES, _decoder_glyph),
    ("Heads", "classes, boxes\nof each layer", "(I,B,Q,K)\n(I,B,Q,4)", QUERIES, _heads_glyph),
)
