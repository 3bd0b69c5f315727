import numpy as np
import pytest
import torch
from fvcore.transforms.transform import CropTransform
from PIL import Image

from aligndetr.data import DetrMapper
from aligndetr.data import augmentation as T
from aligndetr.errors import DataError


def annotation(box, category=0, iscrowd=0):
    return {"bbox": box, "category_id": category, "iscrowd": iscrowd, "area": 1.0, "id": 1}


@pytest.fixture
def record(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    return {
        "file_name": str(tmp_path / "image.png"),
        "image_id": 9,
        "height": 40,
        "width": 60,
        "annotations": [
            annotation([10, 20, 30, 10], 2),
            annotation([0, 0, 60, 40], 1, iscrowd=1),
            annotation([50, 30, 30, 30], 0),
        ],
    }


def test_training_item(record):
    item = DetrMapper([T.Resize((80, 90))])(record)
    assert sorted(item) == ["file_name", "height", "image", "image_id", "instances", "width"]
    assert (item["height"], item["width"], item["image_id"]) == (40, 60, 9)
    assert item["image"].shape == (3, 80, 90)
    assert item["image"].dtype == torch.uint8
    instances = item["instances"]
    assert instances.image_size == (80, 90)
    # x * 90 / 60, y * 80 / 40; the crowd is gone; the last box, x 50..80, y 30..60, is cut to
    # the image, x 50..60, y 30..40.
    expected = [[15.0, 40, 60, 60], [75.0, 60, 90, 80]]
    np.testing.assert_allclose(instances.gt_boxes.tensor.numpy(), expected)
    assert instances.gt_boxes.tensor.dtype == torch.float32
    assert instances.gt_classes.tolist() == [2, 0]
    assert instances.gt_classes.dtype == torch.int64


def test_the_record_is_left_as_it_is(record):
    before = [dict(a) for a in record["annotations"]]
    DetrMapper([T.RandomFlip(1.0)])(record)
    assert record["annotations"] == before


def test_evaluation_item_has_no_objects(record):
    item = DetrMapper([], is_train=False)(record)
    assert sorted(item) == ["file_name", "height", "image", "image_id", "width"]
    pixels = np.asarray(Image.open(record["file_name"]))
    np.testing.assert_array_equal(item["image"].permute(1, 2, 0).numpy(), pixels)
    swapped = DetrMapper([], is_train=False, image_format="BGR")(record)
    np.testing.assert_array_equal(swapped["image"].numpy(), item["image"].numpy()[::-1])


def test_images_without_objects_have_empty_instances(record):
    item = DetrMapper([T.RandomFlip(1.0)])({**record, "annotations": []})
    assert len(item["instances"]) == 0
    assert item["instances"].gt_boxes.tensor.shape == (0, 4)
    assert item["instances"].gt_classes.dtype == torch.int64


class CropLeft(T.Augmentation):
    def get_transform(self, image, rng):
        return CropTransform(0, 0, 20, 40)


def test_boxes_that_a_crop_removed_are_dropped(record):
    item = DetrMapper([CropLeft()])(record)
    # Only x 10..20 of the first box is left; the last one starts at x = 50.
    np.testing.assert_allclose(item["instances"].gt_boxes.tensor.numpy(), [[10, 20, 20, 30]])
    assert item["instances"].gt_classes.tolist() == [2]


def test_a_fair_coin_chooses_the_crop_list(record):
    mapper = DetrMapper([T.Resize(10)], [T.Resize(20)])
    sizes = [mapper(record, np.random.default_rng(i))["image"].shape[1] for i in range(200)]
    # 100 expected of each; the standard deviation is 7.
    assert abs(sizes.count(10) - 100) < 35
    assert sizes.count(10) + sizes.count(20) == 200


def test_size_mismatch_is_an_error(record):
    with pytest.raises(DataError, match="60x40 but its annotation says 60x41"):
        DetrMapper([])({**record, "height": 41})


def test_a_record_without_size_takes_that_of_the_file(record):
    bare = {"file_name": record["file_name"], "image_id": 1, "annotations": []}
    item = DetrMapper([T.Resize(10)])(bare)
    assert (item["height"], item["width"]) == (40, 60)


@pytest.mark.parametrize("steps", ["999", ["RandomFlip"], 3, [None]])
def test_steps_that_are_no_augmentations_are_refused(steps):
    with pytest.raises(TypeError, match="must be a list of augmentations"):
        DetrMapper(augmentation=steps)
    with pytest.raises(TypeError, match="augmentation_with_crop must be a list of augmentations"):
        DetrMapper(augmentation=[], augmentation_with_crop=steps)


@pytest.fixture
def large(tmp_path):
    """A smooth JPEG of 640 x 482 (width x height), as an edge of pixels would differ anyway."""

    def save(**options):
        ramp = np.add.outer(np.arange(482) / 4, np.arange(640) / 6)
        pixels = np.stack([ramp, 255 - ramp, ramp / 2], axis=2).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "large.jpg", quality=95, **options)
        boxes = [annotation([64, 241, 320, 120.5], 2)]
        size = {"height": 482, "width": 640}
        return {"file_name": str(tmp_path / "large.jpg"), **size, "annotations": boxes}

    return save


@pytest.mark.parametrize(
    ("short_edge", "divisor"), [(None, 1), (242, 1), (241, 2), (121, 2), (120, 4), (60, 8), (1, 8)]
)
def test_decoding_to_a_part_keeps_the_short_edge_and_moves_the_boxes(large, short_edge, divisor):
    """482 / 2 = 241; a quarter has 121 rows for 120.5, which are not relied on: 120 are enough."""
    item = DetrMapper([], decode_short_edge=short_edge)(large())
    rows = -(-482 // divisor)
    assert item["image"].shape == (3, rows, 640 // divisor)
    assert (item["height"], item["width"]) == (482, 640)
    x, y = 1 / divisor, rows / 482
    expected = [[64 * x, 241 * y, 384 * x, 361.5 * y]]
    assert item["instances"].gt_boxes.tensor.tolist() == [pytest.approx(e) for e in expected]


def test_decoding_to_a_part_and_resizing_looks_the_same(large):
    resize = [T.ResizeShortestEdge(120)]
    whole, part = (
        DetrMapper(resize, decode_short_edge=edge)(large())["image"].float() for edge in (None, 240)
    )
    assert (whole - part).abs().max() <= 4
    assert whole.std() > 20


def test_a_turned_image_is_decoded_to_a_part_of_its_upright_size(large):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right: 640 high, 482 wide
    record = large(exif=exif)
    stored = DetrMapper([], decode_short_edge=241)(record)["image"]
    assert stored.shape == (3, 241, 320)  # annotated on the pixels as they lie in the file
    record |= {"height": 640, "width": 482}
    item = DetrMapper([], decode_short_edge=241)(record)
    assert item["image"].shape == (3, 320, 241)
    assert (item["height"], item["width"]) == (640, 482)
    del record["height"], record["width"]
    without = DetrMapper([], decode_short_edge=241)(record)
    assert (without["height"], without["width"]) == (640, 482)
    assert torch.equal(without["image"], item["image"])


@pytest.mark.parametrize("value", [0, -1, 1.5, "800"])
def test_a_short_edge_that_is_no_number_of_pixels_is_refused(value):
    with pytest.raises(ValueError, match="decode_short_edge"):
        DetrMapper([], decode_short_edge=value)
