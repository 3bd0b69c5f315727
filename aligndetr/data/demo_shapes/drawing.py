"""Drawing for the demo set: outlines, smooth masks, textured backgrounds and colours."""

from __future__ import annotations

import colorsys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

_SUPERSAMPLING = 4


def outline(name: str, rng: np.random.Generator) -> list[np.ndarray]:
    """Outer outline and, for a ring, the hole: (N, 2) points in the unit circle, randomly turned.

    Args:
        name: a key of `OUTLINES`.
        rng: draws the rotation and a slight stretch.
    """
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    stretch = np.array([1.0, rng.uniform(0.75, 1.0)])
    return [(points * stretch) @ turn for points in OUTLINES[name]]


def _polygon(corners: int, radius: float = 1.0) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _star(points: int, inner: float) -> np.ndarray:
    corners = _polygon(2 * points)
    corners[1::2] *= inner
    return corners


def _cross(arm: float) -> np.ndarray:
    quarter = np.array([[1.0, -arm], [1.0, arm], [arm, arm]])
    turns = [np.array([[c, s], [-s, c]]) for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    return np.concatenate([quarter @ turn for turn in turns])


def _open_ring(inner: float, gap: float) -> np.ndarray:
    angles = np.linspace(gap / 2, 2 * np.pi - gap / 2, 28)
    arc = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.concatenate([arc, inner * arc[::-1]])


OUTLINES = {
    "circle": [_polygon(32)],
    "square": [_polygon(4)],
    "triangle": [_polygon(3)],
    "pentagon": [_polygon(5)],
    "hexagon": [_polygon(6)],
    "star": [_star(5, 0.45)],
    "ring": [_polygon(32), _polygon(32, 0.55)],
    "open_ring": [_open_ring(0.55, 1.1)],
    "cross": [_cross(0.33)],
}


def soft_mask(polygons: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Coverage (H, W) uint8 of the first polygon minus the others, anti-aliased.

    Args:
        polygons: (N, 2) points in pixels of the mask.
        size: (height, width) of the mask.
    """
    height, width = size
    scale = _SUPERSAMPLING
    canvas = Image.new("L", (width * scale, height * scale))
    draw = ImageDraw.Draw(canvas)
    for number, points in enumerate(polygons):
        draw.polygon((points * scale).ravel().tolist(), fill=0 if number else 255)
    return np.asarray(canvas.reduce(scale))


def background(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A quiet, textured backdrop: a colour gradient, a pattern and grain, (H, W, 3) uint8."""
    height, width = size
    base = random_colour(rng, saturation=(0.05, 0.35), value=(0.25, 0.95))
    coarse = np.clip(base + rng.normal(0, 15, (3, 4, 3)), 0, 255).astype(np.uint8)
    gradient = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    pattern = _PATTERNS[int(rng.integers(len(_PATTERNS)))](height, width, rng)
    grain = rng.integers(-5, 6, (height, width))
    texture = (rng.uniform(4, 16) * pattern + grain)[:, :, None]
    return np.clip(np.asarray(gradient) + texture, 0, 255).astype(np.uint8)


def random_colour(
    rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]
) -> np.ndarray:
    """A colour of any hue as (3,) float in 0..255."""
    hsv = rng.uniform(), rng.uniform(*saturation), rng.uniform(*value)
    return 255 * np.array(colorsys.hsv_to_rgb(*hsv))


def contrasting_colour(
    against: np.ndarray, distance: float, rng: np.random.Generator
) -> np.ndarray:
    """A vivid colour at least `distance` (Euclidean, RGB) away from another one."""
    best = random_colour(rng, (0.55, 1.0), (0.45, 1.0))
    for _ in range(12):
        if np.linalg.norm(best - against) >= distance:
            break
        other = random_colour(rng, (0.55, 1.0), (0.3, 1.0))
        if np.linalg.norm(other - against) > np.linalg.norm(best - against):
            best = other
    return best


def fill(size: tuple[int, int], colour: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pixels for a shape (H, W, 3) float: the colour, with shading and sometimes stripes."""
    height, width = size
    shading = rng.uniform(-24, 24) * np.linspace(-1, 1, height)[:, None]
    if rng.random() < 0.25:
        shading = shading + 18 * np.sign(_stripes(height, width, rng))
    return colour + np.broadcast_to(shading, size)[:, :, None]


def blend(
    canvas: np.ndarray, mask: np.ndarray, corner: tuple[int, int], pixels: np.ndarray
) -> None:
    """Paint `pixels` (H, W, 3), or one colour (3,), through a mask whose (x, y) corner is given."""
    x, y = corner
    height, width = mask.shape
    region = canvas[y : y + height, x : x + width]
    alpha = mask[:, :, None] / 255.0
    region[:] = np.clip(region + alpha * (pixels - region), 0, 255).astype(np.uint8)


def shadow(mask: np.ndarray, strength: float) -> np.ndarray:
    """A blurred, weakened mask: what a shape throws on the ground."""
    blurred = Image.fromarray(mask).filter(ImageFilter.BoxBlur(2))
    return (np.asarray(blurred) * strength).astype(np.uint8)


def _plain(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    return np.zeros((height, width))


def _stripes(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    angle, period = rng.uniform(0, np.pi), rng.uniform(6, 24)
    y, x = np.ogrid[:height, :width]
    return np.sin((x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / period))


def _checks(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    period = rng.uniform(14, 40)
    y, x = np.ogrid[:height, :width]
    return np.sign(np.sin(x * 2 * np.pi / period) * np.sin(y * 2 * np.pi / period))


def _blotches(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    noise = rng.integers(0, 256, (height // 12 + 2, width // 12 + 2)).astype(np.uint8)
    smooth = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(smooth) / 127.5 - 1


_PATTERNS = (_plain, _stripes, _checks, _blotches)
