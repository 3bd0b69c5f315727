"""The stages of the dense recipe: mosaics and blends of the size that is asked for."""

import numpy as np
import pytest
from PIL import Image

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.data.augmentation import LabelledImage, augment


def stage_mappers(*overrides):
    """Of the stage with mosaics and of the last one."""
    config = LazyConfig.load(resolve_config("aligndetr_tiny_dense"))
    config = LazyConfig.apply_overrides(config, overrides)
    return [instantiate(stage.mapper) for stage in config.dataloader.train.stages]


def test_a_mosaic_has_the_image_size():
    for overrides, size in (((), 160), (("dataloader.image_size=96",), 96)):
        mosaic, *_, blend = stage_mappers(*overrides)[0].augmentation[:3]
        assert mosaic.size == blend.augmentation[0].size == size


def test_the_mosaic_of_a_blend_is_not_lost_in_a_photograph():
    # A tile's longer edge is at least 0.4 of the mosaic and its room 0.25: 24 of 96 pixels. In the
    # corner of 480 x 640 pixels, which become 96 x 128, a whole mosaic would have 96 / 5 = 19.
    steps = stage_mappers("dataloader.image_size=96")[0].augmentation
    whole = np.array([[0.0, 0.0, 640.0, 480.0]])
    photograph = LabelledImage(np.zeros((480, 640, 3), np.uint8), whole, np.zeros(1, np.int64))
    for seed in range(60):
        made = augment(steps, photograph, np.random.default_rng(seed), lambda: photograph)
        edges = (made.boxes[:, 2:] - made.boxes[:, :2]).max(axis=1)
        assert edges.min() >= 23, seed  # a pixel less: coordinates are whole


@pytest.mark.parametrize("size", [(128, 192), (160, 160)])
def test_drawn_shapes_keep_their_pixels_in_the_last_tenth(tmp_path, size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "drawn.png")
    record = {"file_name": str(tmp_path / "drawn.png"), "annotations": []}
    mapper = stage_mappers()[1]
    for seed in range(4):
        made = mapper(record, np.random.default_rng(seed))["image"].numpy().transpose(1, 2, 0)
        assert np.array_equal(made, pixels) or np.array_equal(made, pixels[:, ::-1])
