"""One picture of the demo set: what is placed where, and its annotations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aligndetr.data.demo_shapes import drawing


@dataclass(frozen=True)
class Style:
    """How pictures look. Lengths in pixels; pairs are (smallest, largest).

    Attributes:
        categories: name -> COCO category id; deliberately not contiguous.
        sides: height and width of a picture, in steps of 16.
        objects: objects in a picture that is not empty.
        diameters: of an object, drawn evenly on a logarithmic scale.
        covered: largest part of an object that later ones or the border may hide.
        clutter: strokes and blobs that are no object.
        contrast: distance of an object's colour from what is behind it.
        empty, crowd: share of pictures without an object, and with a crowd.
    """

    categories: dict[str, int]
    sides: tuple[int, int] = (128, 192)
    objects: tuple[int, int] = (1, 9)
    diameters: tuple[float, float] = (13.0, 130.0)
    covered: float = 0.4
    clutter: tuple[int, int] = (0, 7)
    contrast: float = 110.0
    empty: float = 0.05
    crowd: float = 0.05


PLAIN = Style({"circle": 1, "square": 2, "triangle": 4, "star": 7, "ring": 11, "cross": 16})
HARD = Style(
    {
        "circle": 1,
        "square": 2,
        "pentagon": 3,
        "hexagon": 5,
        "star": 7,
        "ring": 11,
        "open_ring": 12,
        "cross": 16,
    },
    objects=(3, 14),
    diameters=(9.0, 56.0),
    covered=0.6,
    clutter=(4, 16),
    contrast=70.0,
)


@dataclass
class Scene:
    """A picture and its annotations.

    Attributes:
        pixels: (H, W, 3) uint8.
        annotations: COCO annotations without id and image_id.
    """

    pixels: np.ndarray
    annotations: list[dict[str, Any]]


@dataclass
class _Placed:
    """A shape at its place: its mask with the mask's corner, and its outline in pixels."""

    mask: np.ndarray
    corner: tuple[int, int]
    polygons: list[np.ndarray]

    @property
    def region(self) -> tuple[slice, slice]:
        (x, y), (height, width) = self.corner, self.mask.shape
        return slice(y, y + height), slice(x, x + width)

    @property
    def solid(self) -> np.ndarray:
        return self.mask >= 128


def draw_scene(style: Style, rng: np.random.Generator) -> Scene:
    """Draw one picture; every random choice comes from `rng`."""
    sides = range(style.sides[0], style.sides[1] + 1, _SIDE_STEP)
    height, width = (int(side) for side in rng.choice(sides, size=2))
    scene = Scene(drawing.background((height, width), rng), [])
    for _ in range(int(rng.integers(*style.clutter, endpoint=True))):
        _draw_clutter(scene.pixels, rng)
    if rng.random() < style.empty:
        return scene
    painter = _Painter(style, scene, rng)
    if rng.random() < style.crowd:
        painter.add_crowd()
    for _ in range(int(rng.integers(*style.objects, endpoint=True))):
        painter.add_object()
    return scene


class _Painter:
    """Puts shapes into a picture and keeps track of what hides what."""

    def __init__(self, style: Style, scene: Scene, rng: np.random.Generator) -> None:
        self.style = style
        self.scene = scene
        self.rng = rng
        self.names = list(style.categories)
        self.owner = np.full(scene.pixels.shape[:2], -1)  # number of the object on top
        self.areas: list[int] = []  # of each object, when nothing hides it
        self.protected = np.zeros(scene.pixels.shape[:2], dtype=bool)  # crowds stay free

    def add_object(self) -> None:
        """Place one object where it and the others stay visible; give up in a full picture."""
        name = self.names[int(self.rng.integers(len(self.names)))]
        for _ in range(_ATTEMPTS):
            low, high = np.log(self.style.diameters)
            placed, whole = self._place(name, float(np.exp(self.rng.uniform(low, high))))
            if placed is not None and self._is_acceptable(placed, whole):
                self._paint(placed)
                self.owner[placed.region][placed.solid] = len(self.areas)
                self.areas.append(whole)
                self.scene.annotations.append(self._annotation(name, placed))
                return

    def add_crowd(self) -> None:
        """Place a heap of small shapes of one class, annotated as one crowd region."""
        name = self.names[int(self.rng.integers(len(self.names)))]
        height, width = self.owner.shape
        spread = self.rng.uniform(18, 30)
        centre = self.rng.uniform(spread, np.array([width, height]) - spread)
        region = np.zeros((height, width), dtype=bool)
        for _ in range(int(self.rng.integers(12, 24))):
            middle = centre + self.rng.uniform(-spread, spread, 2)
            placed, _ = self._place(name, self.rng.uniform(9, 15), middle)
            if placed is not None:
                self._paint(placed)
                region[placed.region] |= placed.solid
        ys, xs = np.nonzero(region)
        x, y = int(xs.min()), int(ys.min())
        self.protected[y : ys.max() + 1, x : xs.max() + 1] = True
        self.scene.annotations.append(
            {
                "category_id": self.style.categories[name],
                "bbox": [x, y, int(xs.max()) + 1 - x, int(ys.max()) + 1 - y],
                "area": int(region.sum()),
                "iscrowd": 1,
                "segmentation": {"size": [height, width], "counts": run_lengths(region)},
            }
        )

    def _place(
        self, name: str, diameter: float, centre: np.ndarray | None = None
    ) -> tuple[_Placed | None, int]:
        """A shape cut to the picture and its area before the cut; None when it is outside."""
        height, width = self.owner.shape
        if centre is None:
            margin = 0.3 * diameter
            centre = self.rng.uniform(margin, np.array([width, height]) - margin)
        polygons = [p * diameter / 2 + centre for p in drawing.outline(name, self.rng)]
        low = np.floor(polygons[0].min(axis=0)).astype(int)
        high = np.ceil(polygons[0].max(axis=0)).astype(int)
        mask = drawing.soft_mask([p - low for p in polygons], (high[1] - low[1], high[0] - low[0]))
        whole = int((mask >= 128).sum())
        left, top = np.maximum(low, 0)
        right, bottom = np.minimum(high, [width, height])
        mask = mask[top - low[1] : bottom - low[1], left - low[0] : right - low[0]]
        if mask.size == 0 or not (mask >= 128).any():
            return None, whole
        return _Placed(mask, (int(left), int(top)), polygons), whole

    def _is_acceptable(self, placed: _Placed, whole: int) -> bool:
        visible = 1 - self.style.covered
        solid = placed.solid
        if solid.sum() < visible * whole or (self.protected[placed.region] & solid).any():
            return False
        numbers, hidden = np.unique(self.owner[placed.region][solid], return_counts=True)
        for number, count in zip(numbers, hidden, strict=True):
            remaining = (self.owner == number).sum() - count
            if number >= 0 and remaining < visible * self.areas[number]:
                return False
        return True

    def _paint(self, placed: _Placed) -> None:
        x, y = placed.corner
        height, width = placed.mask.shape
        behind = self.scene.pixels[placed.region].reshape(-1, 3).mean(axis=0)
        colour = drawing.contrasting_colour(behind, self.style.contrast, self.rng)
        ground = drawing.shadow(placed.mask, 0.35)
        limit_y, limit_x = self.owner.shape
        ground = ground[: limit_y - y - 2, : limit_x - x - 2]
        if ground.size:
            drawing.blend(self.scene.pixels, ground, (x + 2, y + 2), np.zeros(3))
        pixels = drawing.fill((height, width), colour, self.rng)
        drawing.blend(self.scene.pixels, placed.mask, placed.corner, pixels)

    def _annotation(self, name: str, placed: _Placed) -> dict[str, Any]:
        height, width = self.owner.shape
        outer = np.clip(placed.polygons[0], 0, [width, height])
        (x0, y0), (x1, y1) = outer.min(axis=0).round(2), outer.max(axis=0).round(2)
        box = [float(value) for value in (x0, y0, (x1 - x0).round(2), (y1 - y0).round(2))]
        return {
            "category_id": self.style.categories[name],
            "bbox": box,
            "area": round(box[2] * box[3], 2),
            "iscrowd": 0,
        }


_ATTEMPTS = 25
_SIDE_STEP = 16  # few enough sizes that evaluation can batch pictures of equal size


def run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed run-length code: column by column, starting with a run of zeros."""
    flat = np.concatenate([[False], mask.ravel(order="F")])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(np.concatenate([[0], changes, [mask.size]])).tolist()


def _draw_clutter(pixels: np.ndarray, rng: np.random.Generator) -> None:
    height, width = pixels.shape[:2]
    start = rng.uniform(0, [width, height])
    points = start + (_stroke(rng) if rng.random() < 0.5 else _blob(rng))
    low = np.clip(np.floor(points.min(axis=0)), 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(points.max(axis=0)), low + 1, [width, height]).astype(int)
    mask = drawing.soft_mask([points - low], (high[1] - low[1], high[0] - low[0]))
    mask = (mask * rng.uniform(0.4, 0.9)).astype(np.uint8)
    corner = (int(low[0]), int(low[1]))
    colour = drawing.random_colour(rng, saturation=(0.0, 0.7), value=(0.2, 1.0))
    drawing.blend(pixels, mask, corner, colour)


def _stroke(rng: np.random.Generator) -> np.ndarray:
    """A thin bent line as a polygon, (N, 2), from the origin."""
    heading = rng.uniform(0, 2 * np.pi) + np.linspace(0, rng.uniform(-2, 2), 8)
    steps = np.stack([np.cos(heading), np.sin(heading)], axis=1) * rng.uniform(3, 11)
    line = np.cumsum(steps, axis=0)
    across = np.stack([-np.sin(heading), np.cos(heading)], axis=1) * rng.uniform(0.6, 1.8)
    return np.concatenate([line + across, (line - across)[::-1]])


def _blob(rng: np.random.Generator) -> np.ndarray:
    """An irregular rounded patch, (N, 2), around the origin."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    waves = sum(
        rng.uniform(0.05, 0.3) * np.cos(k * angles + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 5)
    )
    radius = rng.uniform(4, 16) * (1 + waves)
    return np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1)
