"""Boxes and labels on images."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aligndetr.runtime.drawing.boxes import place_label
from aligndetr.runtime.drawing.fonts import label_font, shorten
from aligndetr.runtime.drawing.palette import class_color, text_color
from aligndetr.structures import Boxes, Instances
from aligndetr.visualization.draw import draw_instances


def found(boxes, classes, scores, size=(600, 800)):
    return Instances(
        size,
        pred_boxes=Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)),
        pred_classes=torch.tensor(classes, dtype=torch.int64),
        scores=torch.tensor(scores, dtype=torch.float32),
    )


def grey(height=600, width=800):
    return np.full((height, width, 3), 128, np.uint8)


def test_frame_covers_exactly_the_edge_pixels_of_the_box():
    # x1, y1 are exclusive: the box 100..300 ends with pixel 299.
    picture = draw_instances(grey(), found([[100, 200, 300, 400]], [3], [0.9]))
    assert picture.size == (800, 600)
    pixels = np.asarray(picture)
    for y, x in [(300, 100), (300, 299), (200, 250), (399, 250)]:
        assert tuple(pixels[y, x]) == class_color(3), (y, x)
    for y, x in [(300, 98), (300, 301), (402, 250), (300, 200)]:
        assert tuple(pixels[y, x]) == (128, 128, 128), (y, x)


def test_image_is_not_changed():
    image = grey()
    draw_instances(image, found([[100, 200, 300, 400]], [3], [0.9]))
    assert (image == 128).all()


def test_small_image_is_enlarged_by_a_whole_factor():
    picture = draw_instances(grey(40, 30), found([[10, 10, 20, 30]], [1], [0.5], (40, 30)))
    assert picture.size == (360, 480)  # 480 / 40 = 12
    pixels = np.asarray(picture)
    assert tuple(pixels[240, 120]) == class_color(1)  # left edge: 10 * 12
    assert tuple(pixels[240, 239]) == class_color(1)  # right edge: 20 * 12 - 1


@pytest.mark.parametrize("size", [(4000, 4000), (3, 900), (1, 1), (900, 3)])
def test_extreme_sizes(size):
    height, width = size
    boxes = [
        [0, 0, width, height],
        [-50, -50, 2 * width, 2 * height],
        [width, height, width, height],
    ]
    picture = draw_instances(
        grey(*size), found(boxes, [0, 1, 2], [0.1, 0.2, 0.3], size), ["x" * 99]
    )
    assert picture.width % width == 0
    assert picture.height % height == 0


def test_threshold_leaves_out_lower_scores():
    both = found([[100, 100, 200, 200], [400, 300, 500, 400]], [0, 1], [0.3, 0.5])
    pixels = np.asarray(draw_instances(grey(), both, threshold=0.5))
    assert tuple(pixels[150, 100]) == (128, 128, 128)
    assert tuple(pixels[350, 400]) == class_color(1)


def test_most_confident_object_is_on_top():
    same = found([[100, 100, 200, 200], [100, 100, 200, 200]], [0, 1], [0.9, 0.8])
    assert tuple(np.asarray(draw_instances(grey(), same))[150, 100]) == class_color(0)


def test_ground_truth_and_missing_names():
    truth = Instances(
        (600, 800), gt_boxes=Boxes([[100, 200, 300, 400]]), gt_classes=torch.tensor([7])
    )
    named = np.asarray(draw_instances(grey(), truth, ["a"] * 8))
    beyond = np.asarray(draw_instances(grey(), truth, ["a"]))
    assert tuple(named[300, 100]) == class_color(7)
    assert (named != beyond).any()  # "a" against "7"


def test_nothing_to_draw_returns_the_image():
    nothing = found([], [], [])
    assert (np.asarray(draw_instances(grey(), nothing)) == 128).all()
    broken = found([[0, 0, float("nan"), 5]], [0], [0.9])
    assert (np.asarray(draw_instances(grey(), broken)) == 128).all()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"\(3, 60, 80\)"):
        draw_instances(np.zeros((3, 60, 80), np.uint8), found([], [], []))
    with pytest.raises(ValueError, match="float64"):
        draw_instances(np.zeros((60, 80, 3)), found([], [], []))
    with pytest.raises(ValueError, match="neither pred_boxes nor gt_boxes"):
        draw_instances(grey(), Instances((600, 800), scores=torch.zeros(1)))


@given(
    box=st.tuples(*[st.integers(0, 399)] * 2, *[st.integers(0, 300)] * 2),
    label=st.tuples(st.integers(1, 400), st.integers(1, 60)),
)
@settings(max_examples=200, deadline=None)
def test_labels_stay_inside_the_picture(box, label):
    x, y, width, height = box
    area = (x, y, min(x + width, 399), min(y + height, 299))
    x0, y0, x1, y1 = place_label(label, area, [], (400, 300))
    assert x0 >= 0
    assert y0 >= 0
    assert x1 <= 400
    assert y1 <= 300
    assert (x1 - x0, y1 - y0) == label


def test_labels_of_equal_boxes_do_not_cover_each_other():
    taken = []
    for _ in range(4):
        area = place_label((60, 20), (100, 100, 300, 250), taken, (400, 300))
        for other in taken:
            apart = (
                area[0] >= other[2]
                or other[0] >= area[2]
                or area[1] >= other[3]
                or other[1] >= area[3]
            )
            assert apart
        taken.append(area)


def test_shortened_text_fits():
    font = label_font(20)
    text = shorten("a very long class name 0.97", font, 100)
    assert text.endswith("…")
    assert 60 < font.getlength(text) <= 100
    assert shorten("cat", font, 100) == "cat"
    assert shorten("cat", font, 1) == ""


def test_colors_differ_and_text_contrasts():
    colors = [class_color(index) for index in range(200)]
    assert len(set(colors)) == 200
    assert text_color((255, 255, 0)) == (0, 0, 0)
    assert text_color((0, 0, 160)) == (255, 255, 255)
