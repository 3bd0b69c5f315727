"""One number for the size of images, in every shipped config."""

import numpy as np
import pytest
from fvcore.transforms.transform import NoOpTransform
from PIL import Image

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config, shipped_configs
from aligndetr.data import augmentation as T
from aligndetr.data.augmentation import apply_augmentations
from aligndetr.data.workers import BatchReader
from aligndetr.errors import ConfigError

NAMES = [config.name for config in shipped_configs()]
PHOTO = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
TRAIN, TEST = "dataloader.train.mapper", "dataloader.test.mapper"


def test_lengths_follow_the_image_size():
    # 1333 * 400 / 800 = 666.5, a half; 480 * 333 / 800 = 199.8
    assert T.scale_to(400, 800) == 0.5
    half = T.ResizeShortestEdge([480, 800], 1333, "choice", scale=0.5)
    assert (half.lengths, half.max_size) == ([240, 400], 667)
    assert T.ResizeShortestEdge(480, scale=T.scale_to(333, 800)).lengths == [200, 200]
    assert T.RandomCrop("absolute_range", [384, 600], scale=0.5).crop_size == (192, 300)
    assert T.RandomCrop("relative", [0.4, 0.6], scale=0.5).crop_size == (0.4, 0.6)
    assert T.BatchResize([480, 640], scale=0.5).sizes == [240, 320]
    assert T.Resize(640, scale=0.5).shape == (320, 320)


def test_without_a_size_nothing_changes_and_nothing_is_drawn():
    assert T.scale_to(None, 800) == 1
    assert T.ResizeShortestEdge(480, scale=1.0).max_size == T.ResizeShortestEdge(480).max_size
    rng = np.random.default_rng(0)
    assert isinstance(T.ResizeShortestEdge(None).get_transform(PHOTO, rng), NoOpTransform)
    assert rng.random() == np.random.default_rng(0).random()


@pytest.mark.parametrize("size", [0, -3, 2.5, "big", True])
def test_a_size_is_a_number_of_pixels(size):
    with pytest.raises(ConfigError, match=r"image_size=.* must be a positive number of pixels"):
        T.scale_to(size, 800)


def load(name, *overrides):
    return LazyConfig.apply_overrides(LazyConfig.load(resolve_config(name)), overrides)


def mappers(name, *overrides):
    config = load(name, *overrides)
    return instantiate(config.dataloader.train.mapper), instantiate(config.dataloader.test.mapper)


@pytest.fixture(scope="module")
def photograph(tmp_path_factory):
    """A record of 480 x 640 pixels, all of which are one object."""
    path = tmp_path_factory.mktemp("photograph") / "photo.png"
    Image.fromarray(np.zeros_like(PHOTO)).save(path)
    thing = {"bbox": [0, 0, 640, 480], "category_id": 0, "iscrowd": 0}
    return {"file_name": str(path), "height": 480, "width": 640, "annotations": [thing]}


@pytest.mark.parametrize("name", NAMES)
def test_every_config_has_the_knob(name, photograph):
    config = load(name, "dataloader.image_size=96")
    test = instantiate(config.dataloader.test.mapper)
    image, _ = apply_augmentations(test.augmentation, PHOTO, np.random.default_rng(0))
    # 480 x 640: the shorter edge; or a square
    assert image.shape[:2] in ((96, 128), (96, 96))
    train = config.dataloader.train
    for number, way in enumerate([train, *train.get("stages", [])]):
        for height, width in drawn_sizes(way, photograph):
            # recipes draw 480 / 800 to 800 / 640 of the size; the longer edge is up to 5 / 3 of
            # the shorter one
            assert 57 <= min(height, width) <= 120, f"stage {number}: {height} x {width}"
            assert max(height, width) <= 160, f"stage {number}: {height} x {width}"


def drawn_sizes(way, photograph, count=12):
    """(height, width) of what a way to make batches makes of photographs."""
    reader = BatchReader(
        dataset=[photograph],
        mapper=instantiate(way.mapper),
        seed=0,
        replace_broken=False,
        batch_transform=instantiate(way.get("batch_transform")),
    )
    batches = [reader[0, [(epoch, 0, 0)]] for epoch in range(count)]
    assert not any(batch.error or batch.skipped for batch in batches)
    return [tuple(item["image"].shape[1:]) for batch in batches for item in batch.items]


def test_training_follows_it_too():
    train, _ = mappers("aligndetr_k2_r50_4scale_12ep", "dataloader.image_size=80")
    rng = np.random.default_rng(0)
    shapes = {apply_augmentations(train.augmentation, PHOTO, rng)[0].shape for _ in range(40)}
    # a tenth of 480, 512, ..., 800: the nearest whole numbers
    assert {min(shape[:2]) for shape in shapes} <= {48, 51, 54, 58, 61, 64, 67, 70, 74, 77, 80}
    assert len(shapes) > 5
    train, _ = mappers("aligndetr_tiny", "dataloader.image_size=96")
    image, _ = apply_augmentations(train.augmentation, PHOTO, rng)
    assert image.shape == (96, 128, 3)


def test_the_published_lengths_stand():
    train, test = mappers("dino_r50_4scale_12ep")
    edges = [480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800]
    assert (train.augmentation[1].lengths, train.augmentation[1].max_size) == (edges, 1333)
    first, crop, last = train.augmentation_with_crop[1:]
    assert (first.lengths, crop.crop_size) == ([400, 500, 600], (384, 600))
    assert (last.lengths, last.max_size) == (edges, 1333)
    assert (test.augmentation[0].lengths, test.augmentation[0].max_size) == ([800, 800], 1333)
    config = LazyConfig.load(resolve_config("rtdetr_r50_6x"))
    assert instantiate(config.dataloader.train.batch_transform).sizes == [*edges, 640, 640]
    assert instantiate(config.dataloader.test.mapper).augmentation[0].shape == (640, 640)
    train, test = mappers("aligndetr_tiny")
    assert (train.augmentation[-1].lengths, test.augmentation[0].lengths) == ([], [])
    assert mappers("rtdetr_tiny")[1].augmentation[-1].shape == (160, 160)
