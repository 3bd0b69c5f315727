import json

import numpy as np
import pytest

from aligndetr.data.dataset import load_dataset
from aligndetr.data.formats import Source, read
from aligndetr.data.formats.percent import percent_boxes
from aligndetr.errors import DataError

SIZE = (300, 400)  # height, width
PIXELS = np.random.default_rng(0).uniform([0, 0, 20, 20], [300, 200, 100, 100], (30, 4))


def remarks(coco_folder, boxes):
    annotations = [{"image_id": 1, "category_id": 1, "bbox": list(box)} for box in boxes]
    path, folder = coco_folder([(1, SIZE)], annotations)
    return read(Source(path, folder)).remarks


WORDS = "boxes are of larger images in which no box ends beyond 100: percent, not pixels?"


def drawn_boxes(rng, count, size, per_image, sides, centre=None):
    """Boxes (count * per_image, 4) in pixels: anywhere, or around a centre in parts of the size."""
    extent = rng.uniform(*sides, (count * per_image, 2))
    room = np.array(size) - extent
    start = rng.uniform(0, 1, extent.shape) * room
    if centre is not None:
        start = rng.normal(centre, 0.1, extent.shape) * size - extent / 2
    return np.concatenate([start.clip(0, room), extent], axis=1)


def flagged(boxes, size, per_image, in_percent=()):
    """Places of images that are taken for percent; those in `in_percent` are turned into it."""
    boxes, ids = boxes.copy(), np.arange(len(boxes)) // per_image
    turned = np.isin(ids, in_percent)
    boxes[turned] *= 100 / np.array([*size, *size])
    sizes = np.full((len(boxes), 2), size, float)
    return sorted(set(ids[percent_boxes(boxes, sizes, ids)].tolist()))


@pytest.mark.parametrize(
    ("size", "count", "per_image", "share"),
    [
        ((640, 480), 40, 4, 0.5),
        ((640, 480), 60, 4, 0.1),
        ((640, 480), 5, 3, 1),  # 15 boxes
        ((640, 480), 15, 1, 1),
        ((155, 155), 15, 3, 1),
        ((1920, 1080), 200, 1, 0.2),
    ],
)
def test_images_in_percent_are_found(size, count, per_image, share):
    rng = np.random.default_rng(0)
    boxes = drawn_boxes(rng, count, size, per_image, (0.1 * size[1], 0.5 * size[1]))
    in_percent = list(range(round(share * count)))
    assert flagged(boxes, size, per_image, in_percent) == in_percent
    assert flagged(boxes, size, per_image) == []


@pytest.mark.parametrize("size", [(105, 135), (155, 155), (224, 224), (640, 480), (3840, 2160)])
@pytest.mark.parametrize("count", [5, 15, 200])
@pytest.mark.parametrize("per_image", [1, 3])
@pytest.mark.parametrize("sides", [(4, 15), (20, 60)])
def test_small_objects_anywhere_or_in_the_middle_are_no_percent(size, count, per_image, sides):
    rng = np.random.default_rng(1)
    for centre in (None, 0.5):
        for _ in range(5):
            boxes = drawn_boxes(rng, count, size, per_image, sides, centre)
            assert flagged(boxes, size, per_image) == []


def test_the_corner_where_it_is_no_percent():
    rng = np.random.default_rng(2)
    size = (640, 480)
    logo = np.array([14, 15, 74, 72]) + rng.normal(0, 1.5, (100, 4))
    assert flagged(logo, size, 1) == []
    beyond = np.abs(rng.normal(0, 60, (300, 2)))  # most in the corner, but without an edge at 100
    assert flagged(np.concatenate([beyond, np.full((300, 2), 12)], axis=1), size, 1) == []
    few = drawn_boxes(rng, 1000, size, 1, (60, 200))
    few[:20] = drawn_boxes(rng, 20, (100, 100), 1, (20, 40))  # 2 % of the images
    assert flagged(few, size, 1) == []


def test_small_images_where_it_is_no_percent():
    rng = np.random.default_rng(3)
    for _ in range(20):  # most objects of such an image lie in its first hundred pixels
        boxes = drawn_boxes(rng, 15, (105, 135), 1, (20, 60), 1 / 3)
        assert flagged(boxes, (105, 135), 1) == []
        boxes = drawn_boxes(rng, 150, (128, 128), 3, (8, 20), 0.5)  # the middle is near 50
        assert flagged(boxes, (128, 128), 3) == []


def test_the_remedy_for_percent_is_said(coco_folder):
    rng = np.random.default_rng(0)
    images = [(identity, SIZE) for identity in range(1, 9)]
    annotations = []
    for identity, _ in images:
        boxes = drawn_boxes(rng, 1, (400, 300), 4, (30, 90))
        if identity > 4:  # half of them
            boxes *= 100 / np.array([400, 300, 400, 300])
        annotations += [{"image_id": identity, "category_id": 1, "bbox": list(b)} for b in boxes]
    ((words, examples),) = read(Source(*coco_folder(images, annotations))).remarks.items()
    assert words.startswith(WORDS)
    assert "all x and widths must be multiplied by width / 100 of the image" in words
    assert [line.split(":")[0] for line in examples[::4]] == ["5.png", "6.png", "7.png", "8.png"]
    assert len(examples) == 16


def test_pixels_are_not_remarked_on(coco_folder):
    assert remarks(coco_folder, PIXELS) == {}


def test_fractions_are_refused(coco_folder):
    with pytest.raises(DataError, match="look like fractions"):
        remarks(coco_folder, PIXELS / [400, 300, 400, 300])


def test_a_few_fractions_among_pixels_are_listed(coco_folder):
    boxes = PIXELS.copy()
    boxes[7] /= [400, 300, 400, 300]
    ((words, examples),) = remarks(coco_folder, boxes).items()
    assert "fractions of the image, not pixels?" in words
    assert len(examples) == 1


def test_percent_is_recognised(coco_folder):
    boxes = 100 * PIXELS / [400, 300, 400, 300]
    boxes[0] = [50, 50, 50, 50]  # to the very edge
    ((words, examples),) = remarks(coco_folder, boxes).items()
    assert "percent" in words
    assert len(examples) == 30


def test_corners_are_recognised(coco_folder):
    boxes = PIXELS.copy()
    boxes[:, 2:] += boxes[:, :2]
    ((words, _),) = remarks(coco_folder, boxes).items()
    assert "only as corners" in words


def test_remarks_are_logged(coco_folder, caplog):
    boxes = PIXELS.copy()
    boxes[7] /= [400, 300, 400, 300]
    annotations = [{"image_id": 1, "category_id": 1, "bbox": list(box)} for box in boxes]
    path, folder = coco_folder([(1, SIZE)], annotations)
    load_dataset(None, path, folder)
    assert "1 boxes lie within the first pixel" in caplog.text


def test_boxes_of_unknown_images_do_no_harm(coco_folder):
    path, folder = coco_folder(
        [(1, SIZE)], [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}]
    )
    content = json.loads(path.read_text())
    content["annotations"].append({"image_id": 9, "category_id": 1, "bbox": [0, 0, 1, 1]})
    path.write_text(json.dumps(content))
    assert read(Source(path, folder)).remarks == {}
