"""PNGs of matches and sampling points."""

import numpy as np
import pytest
from PIL import Image

from aligndetr.errors import UserError
from aligndetr.explanation.inspection import Inspection, LayerView, Pair, Sampling, Thing
from aligndetr.explanation.inspection_matches_picture import draw_matches
from aligndetr.explanation.inspection_sampling_picture import (
    check_query,
    draw_sampling,
    level_shares,
)
from aligndetr.runtime.drawing.palette import class_color


def look(layers, things=2):
    grey = np.full((100, 200, 3), 128, dtype=np.uint8)
    boxes = np.array([[0.1, 0.2, 0.4, 0.8], [0.6, 0.1, 0.9, 0.5]])
    names = ("cat", "dog")[:things]
    known = [Thing(name, box) for name, box in zip(names, boxes, strict=False)]
    return Inspection(grey, known, layers, True, [(4, 8), (2, 4)])


def layer(index, pairs, **fields):
    boxes = np.array([[0.15, 0.25, 0.45, 0.85], [0.6, 0.1, 0.9, 0.5], [0.0, 0.0, 0.2, 0.2]])
    return LayerView(index, boxes, pairs, **fields)


@pytest.fixture
def sampling():
    """Three queries, two heads, two levels, two points: all weight of query 0 on level 1."""
    weights = np.full((3, 2, 2, 2), 0.25)
    weights[0, :, 0], weights[0, :, 1] = 0.0, 0.5
    weights[1, 0, 0], weights[1, 0, 1] = 0.5, 0.0
    return Sampling(np.full((3, 2, 2, 2, 2), 0.5), weights)


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def has_color(path, color, within=40):
    return bool((np.abs(read(path) - color).sum(-1) < within).any())


def test_only_matched_things_have_their_colour(tmp_path):
    one = layer(1, [Pair(0, 0, 0.9, 0.7, 0, 1.0)])
    two = layer(2, [Pair(0, 0, 0.9, 0.7, 0, 1.0), Pair(1, 1, 0.8, 0.9, 0, 1.0)])
    draw_matches(look([one], things=1), tmp_path / "one.png")
    draw_matches(look([two]), tmp_path / "two.png")
    assert has_color(tmp_path / "one.png", class_color(0))
    assert not has_color(tmp_path / "one.png", class_color(1))
    assert has_color(tmp_path / "two.png", class_color(1))


def test_boxes_are_where_they_belong(tmp_path):
    """The panel is the only grey area; its columns are found by it."""
    draw_matches(look([layer(1, [Pair(1, 0, 0.9, 0.7, 0, 1.0)])], things=0), tmp_path / "a.png")
    pixels = read(tmp_path / "a.png")
    panel = np.abs(pixels - pixels[pixels.shape[0] // 2, pixels.shape[1] // 2]).sum(-1) < 9
    rows, columns = np.flatnonzero(panel.mean(1) > 0.5), np.flatnonzero(panel.mean(0) > 0.4)
    top, left = rows[0], columns[0]
    height, width = rows[-1] + 1 - top, columns[-1] + 1 - left
    colored = np.abs(pixels - class_color(0)).sum(-1) < 40
    x = np.flatnonzero(colored[top : top + height].mean(0) > 0.2)
    # the box spans 0.6 to 0.9 of the width
    assert (x.min() - left) / width == pytest.approx(0.6, abs=0.02)
    assert (x.max() - left) / width == pytest.approx(0.9, abs=0.02)


def test_many_layers_and_many_things_fit(tmp_path):
    pairs = [Pair(0, 0, 0.9, 0.7, 0, 1.0), Pair(2, 0, 0.1, 0.2, 1, 0.5)]
    layers = [layer(index, pairs, references=np.zeros((3, 2))) for index in range(7)]
    crowd = look(layers)
    crowd.things = crowd.things * 20
    draw_matches(crowd, tmp_path / "many.png", title="many")
    draw_matches(look([layer(1, [])], things=0), tmp_path / "none.png")
    (height, width), (_, narrow) = (
        read(tmp_path / name).shape[:2] for name in ("many.png", "none.png")
    )
    assert width > height
    assert narrow < width


def test_shares_of_levels_add_up_over_heads(sampling):
    view = layer(1, [], sampling=sampling)
    assert level_shares(view, 0).tolist() == [0.0, 1.0]
    # head 0 looks at level 0 only, head 1 at both alike: (1 + 0.5) / 2
    assert level_shares(view, 1).tolist() == [0.75, 0.25]


def test_sampling_is_drawn_in_the_colours_of_levels(tmp_path, sampling):
    blue, orange = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)
    view = look([layer(1, [Pair(0, 0, 0.9, 0.7)], sampling=sampling)])
    draw_sampling(view, 0, tmp_path / "a.png")
    pixels = read(tmp_path / "a.png")
    count = [(np.abs(pixels - color).sum(-1) < 40).sum() for color in (blue, orange)]
    assert count[1] > 10 * count[0]  # blue only in the legend


def test_requests_that_cannot_be_drawn(tmp_path, sampling):
    view = look([layer(0, []), layer(1, [], sampling=sampling)])
    for query in (-1, 3):
        with pytest.raises(UserError, match=f"no query {query}; queries are 0 to 2"):
            draw_sampling(view, query, tmp_path / "a.png")
    with pytest.raises(UserError, match="attends to all tokens"):
        draw_sampling(look([layer(1, [])]), 0, tmp_path / "a.png")
    with pytest.raises(UserError, match="no sampling points"):
        check_query([], 0)
    assert not list(tmp_path.iterdir())
