"""Jitter, mosaic, mixup, copy-paste: boxes are where the pixels are, classes stay theirs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligndetr.data import DetrMapper
from aligndetr.data import augmentation as T
from aligndetr.data.augmentation.visibility import cut_boxes, visible_part
from aligndetr.errors import DataError

SEEDS = st.integers(0, 10**6)
EDGE = 80  # longer edge of the images: a factor of 1 leaves their pixels as they are
PER_IMAGE = 3


def rng(seed=0):
    return np.random.default_rng(seed)


def drawn(seed, number=0, gap=1):
    """Disjoint rectangles on blue; class c is green 20 c, no two images have a class in common."""
    generator = rng(seed)
    edges = [EDGE, int(generator.integers(EDGE // 2, EDGE))]
    height, width = generator.permutation(edges).tolist()
    pixels = np.full((height, width, 3), (0, 0, 255), np.uint8)
    boxes = []
    for _ in range(int(generator.integers(PER_IMAGE, endpoint=True))):
        x, y = generator.integers([width - 8, height - 8]).tolist()
        w, h = generator.integers(6, 30, 2).tolist()
        box = [x, y, min(x + w, width), min(y + h, height)]
        if not any(overlap(box, other, gap) for other in boxes):
            kind = PER_IMAGE * number + len(boxes)
            pixels[box[1] : box[3], box[0] : box[2]] = (200, 20 * kind, 0)
            boxes.append(box)
    classes = PER_IMAGE * number + np.arange(len(boxes))
    return T.LabelledImage(pixels, np.array(boxes, float).reshape(-1, 4), classes)


def overlap(a, b, gap):
    return min(a[2], b[2]) + gap > max(a[0], b[0]) and min(a[3], b[3]) + gap > max(a[1], b[1])


def stream(seed):
    """An image, its generator, and what draws other images by that generator."""
    generator, numbers = rng(seed), iter(range(1, 12))
    return drawn(seed), generator, lambda: drawn(int(generator.integers(10**6)), next(numbers))


def pixel_box(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def of_class(pixels, kind):
    return (pixels == (200, 20 * kind, 0)).all(axis=2)


def assert_exact(image, min_visibility, areas):
    """Each object's box is that around its pixels; there is one if enough of them show."""
    for box, kind in zip(image.boxes, image.classes, strict=True):
        shown = of_class(image.pixels, kind)
        np.testing.assert_array_equal(pixel_box(shown), box)
        assert shown.sum() >= min_visibility * areas[kind]
    for kind in set(range(12)) - set(image.classes.tolist()):
        shown = of_class(image.pixels, kind).sum()
        assert shown == 0 or shown < min_visibility * areas[kind]


def areas_of(*images):
    return {
        kind: (box[2] - box[0]) * (box[3] - box[1])
        for image in images
        for kind, box in zip(image.classes.tolist(), image.boxes, strict=True)
    }


def kept(seed):
    """As `stream`, with a list of all images that come into it."""
    first, generator, draw = stream(seed)
    images = [first]

    def draw_and_keep():
        images.append(draw())
        return images[-1]

    return first, generator, draw_and_keep, images


# --- large-scale jitter -------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.integers(40, 160))
def test_a_cut_and_padded_image_has_exact_boxes(seed, size):
    image = drawn(seed)
    scale = EDGE / size
    jitter = T.LargeScaleJitter(size, (scale, scale), min_visibility=0.3)  # resized by 1
    jittered = T.augment([jitter], image, rng(seed), None)
    assert jittered.pixels.shape == (size, size, 3)
    assert_exact(jittered, 0.3, areas_of(image))


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.floats(0.6, 3.0))
def test_scaled_boxes_follow_the_pixels(seed, scale):
    image = drawn(seed, gap=10)
    jitter = T.LargeScaleJitter(EDGE, (scale, scale), fill=255)
    jittered = T.augment([jitter], image, rng(seed), None)
    for box in jittered.boxes:
        x, y = np.maximum(np.floor(box[:2]).astype(int) - 3, 0)
        near = (
            jittered.pixels[y : int(box[3]) + 4, x : int(box[2]) + 4, 2] < 128
        )  # blurred, half way
        found = np.add(pixel_box(near), [x, y, x, y])
        np.testing.assert_allclose(found, box, atol=1)


def test_a_jitter_by_hand():
    image = T.LabelledImage(
        np.full((10, 20, 3), 9, np.uint8), np.array([[2.0, 1, 12, 6]]), np.array([4])
    )
    small = T.augment([T.LargeScaleJitter(40, (0.5, 0.5), fill=7)], image, rng(1), None)
    # 0.5 * 40 = 20 pixels, the longer edge as it is: 10 x 20 somewhere in 40 x 40
    own = (small.pixels == 9).all(axis=2)
    x, y, right, bottom = pixel_box(own)
    assert (right - x, bottom - y) == (20, 10)
    assert (small.pixels[~own] == 7).all()
    np.testing.assert_array_equal(small.boxes, [[x + 2, y + 1, x + 12, y + 6]])
    assert small.classes.tolist() == [4]


# --- mosaic -------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=80)
@given(SEEDS, st.sampled_from([0.0, 0.2, 0.7]))
def test_a_mosaic_has_exact_boxes(seed, min_visibility):
    first, generator, draw, images = kept(seed)
    mosaic = T.Mosaic(2 * EDGE, (0.5, 0.5), min_visibility=min_visibility)  # resized by 1
    mixed = mosaic.mix(first, generator, draw)
    assert len(images) == 4
    assert mixed.pixels.shape == (2 * EDGE, 2 * EDGE, 3)
    # what shows less than a pixel wide is no object, which cannot be with whole pixels
    assert_exact(mixed, min_visibility, areas_of(*images))


def test_every_image_touches_the_middle_of_a_mosaic():
    flat = [T.LabelledImage(np.full((10, 10, 3), 10 * n, np.uint8), np.empty((0, 4)),
                            np.empty(0, np.int64)) for n in range(1, 5)]  # fmt: skip
    others = iter(flat[1:])
    mosaic = T.Mosaic(40, (0.25, 0.25), center=(0.5, 0.5), fill=0)
    mixed = mosaic.mix(flat[0], rng(), lambda: next(others)).pixels[..., 0]
    middle = mixed[10:30, 10:30]  # 0.25 * 40 = 10 pixels on each side of (20, 20)
    quarters = [middle[:10, :10], middle[:10, 10:], middle[10:, :10], middle[10:, 10:]]
    assert sorted(quarter[0, 0] for quarter in quarters) == [10, 20, 30, 40]
    assert all((quarter == quarter[0, 0]).all() for quarter in quarters)
    assert (mixed > 0).sum() == 400


# --- mixup --------------------------------------------------------------------------------------


def test_a_blend_by_hand():
    def flat(height, width, value, box, kind):
        pixels = np.full((height, width, 3), value, np.uint8)
        return T.LabelledImage(pixels, np.array([box], float), np.array([kind]))

    first, second = flat(4, 10, 100, [1, 1, 3, 3], 5), flat(8, 6, 200, [0, 2, 6, 8], 2)
    mixup = T.Mixup((0.25, 0.25), prob=1.0, fill=7)
    mixed = mixup.mix(first, rng(), lambda: second)
    assert mixed.pixels.shape == (8, 10, 3)
    assert (mixed.pixels[:4, :6] == 175).all()  # 0.25 * 100 + 0.75 * 200
    assert (mixed.pixels[:4, 6:] == 100).all()  # the first alone
    assert (mixed.pixels[4:, :6] == 200).all()  # the second alone
    assert (mixed.pixels[4:, 6:] == 7).all()
    np.testing.assert_array_equal(mixed.boxes, [[1, 1, 3, 3], [0, 2, 6, 8]])
    assert mixed.classes.tolist() == [5, 2]
    assert (first.pixels == 100).all()


def test_the_other_image_of_a_blend_is_augmented():
    first, generator, draw, images = kept(3)
    flip = T.Mixup(augmentation=[T.RandomFlip(1.0)], prob=1.0)
    mixed = flip.mix(first, generator, draw)
    other = images[1]
    width = other.pixels.shape[1]
    mirrored = [[width - x1, y0, width - x0, y1] for x0, y0, x1, y1 in other.boxes]
    np.testing.assert_array_equal(mixed.boxes[len(first.boxes) :], np.reshape(mirrored, (-1, 4)))


# --- copy-paste ---------------------------------------------------------------------------------


@settings(deadline=None, max_examples=150)
@given(SEEDS, st.sampled_from([0.1, 0.3, 0.9]))
def test_pasted_and_covered_boxes_are_exact(seed, min_visibility):
    first, generator, draw, images = kept(seed)
    before = first.pixels.copy()
    paste = T.CopyPaste((1, 3), min_visibility=min_visibility, prob=1.0)
    mixed = paste.mix(first, generator, draw)
    assert mixed.pixels.shape == first.pixels.shape
    assert_exact(mixed, min_visibility, areas_of(*images))
    np.testing.assert_array_equal(first.pixels, before)
    pasted = set(mixed.classes.tolist()) & set(images[1].classes.tolist())
    fits = [(b[2:] - b[:2] <= first.pixels.shape[1::-1]).all() for b in images[1].boxes]
    assert bool(pasted) >= (sum(fits) == 1)  # the last one pasted lies on top


def test_what_shows_of_a_box_by_hand():
    box = np.array([0.0, 0, 10, 10])
    around, part = visible_part(box, np.array([[-5.0, 4, 20, 30]]))
    np.testing.assert_array_equal(around, [0, 0, 10, 4])  # the lower 6 of 10 rows are hidden
    assert part == pytest.approx(0.4)
    # two covers, neither of which covers a side, together do: the left 3 columns are hidden
    around, part = visible_part(box, np.array([[-1.0, -1, 3, 6], [-1, 5, 3, 11]]))
    np.testing.assert_array_equal(around, [3, 0, 10, 10])
    assert part == pytest.approx(0.7)
    # a hole in the middle: the box stays; 100 - 2 x 2.5 = 95 of 100
    around, part = visible_part(box, np.array([[4, 4, 6, 6.5]]))
    np.testing.assert_array_equal(around, box)
    assert part == pytest.approx(0.95)
    assert visible_part(box, np.array([[0.0, 0, 10, 10]]))[1] == 0
    assert visible_part(box, np.empty((0, 4)))[1] == 1


# --- all ----------------------------------------------------------------------------------------


def test_too_little_of_a_box_is_none():
    boxes = np.array([[-6.0, 0, 4, 10], [-6, 0, 4, 10], [0, 0, 0.9, 10], [2, 2, 5, 5]])
    half = cut_boxes(boxes[:1], 20, 20, 0.5)  # 40 of 100 square pixels are inside
    np.testing.assert_array_equal(half, [[0, 0, 0, 0]])
    np.testing.assert_array_equal(
        cut_boxes(boxes, 20, 20, 0.4), [[0, 0, 4, 10], [0, 0, 4, 10], [0, 0, 0, 0], [2, 2, 5, 5]]
    )


ALL = [T.LargeScaleJitter(64), T.Mosaic(64), T.Mixup(prob=1.0), T.CopyPaste(prob=1.0)]


@pytest.mark.parametrize("step", ALL, ids=lambda step: type(step).__name__)
def test_images_without_objects_stay_whole(step):
    empty = T.LabelledImage(
        np.zeros((20, 30, 3), np.uint8), np.empty((0, 4)), np.empty(0, np.int64)
    )
    mixed = T.augment([step], empty, rng(), lambda: empty)
    assert mixed.boxes.shape == (0, 4)
    assert mixed.classes.shape == (0,)
    assert mixed.classes.dtype == np.int64


@pytest.mark.parametrize("step", ALL, ids=lambda step: type(step).__name__)
def test_equal_generators_give_equal_images(step):
    results = []
    for _ in range(2):
        first, generator, draw = stream(11)
        results.append(T.augment([step], first, generator, draw))
    np.testing.assert_array_equal(results[0].pixels, results[1].pixels)
    np.testing.assert_array_equal(results[0].boxes, results[1].boxes)


@pytest.mark.parametrize("kind", [T.Mixup, T.CopyPaste])
def test_it_happens_as_often_as_it_should(kind):
    def happened(seed):
        first, generator, draw, images = kept(seed)
        mixed = kind(prob=0.3).mix(first, generator, draw)
        assert (mixed is first) == (len(images) == 1)
        return len(images) > 1

    # 90 of 300 expected, with a standard deviation of 8
    assert 58 < sum(map(happened, range(300))) < 122


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.LargeScaleJitter(64, (0.0, 1.0)), "scale"),
        (lambda: T.Mosaic(64, (1.0, 0.5)), "scale"),
        (lambda: T.Mosaic(64, center=(0.0, 0.5)), "quarter"),
        (lambda: T.Mixup((0.5, 1.5)), "weight"),
        (lambda: T.CopyPaste((0, 3)), "count"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_without_other_images_the_mapper_says_so(coco_folder):
    from aligndetr.data import load_dataset

    dataset = load_dataset("tiny", *coco_folder([(1, (20, 30)), (2, (20, 30))], []))
    mapper = DetrMapper([T.Mosaic(32)])
    with pytest.raises(DataError, match="other images, which only a training loader has"):
        mapper(dataset[0])
    assert mapper(dataset[0], others=dataset)["image"].shape == (3, 32, 32)
