"""COCO records, transforms, and the mapper in test and training mode."""

from __future__ import annotations

import numpy as np
import torch
from fvcore.transforms.transform import CropTransform, HFlipTransform, Transform, VFlipTransform

from aligndetr.data.augmentation import (
    Augmentation,
    RandomFlip,
    ResizeShortestEdge,
    ResizeTransform,
)
from aligndetr.data.dataset import DetectionDataset, load_dataset
from aligndetr.data.mapper import DetrMapper
from tests.parity.golden import Golden, folder, for_each, matching


def dataset() -> DetectionDataset:
    coco = folder() / "coco"
    return load_dataset("golden", json_file=coco / "instances.json", image_root=coco)


class Always(Augmentation):
    """A fixed transform where the published test fixed the random one."""

    def __init__(self, make) -> None:
        self.make = make

    def get_transform(self, image: np.ndarray, rng: np.random.Generator) -> Transform:
        return self.make(*image.shape[:2])


def crop(xywh: list[int]) -> Always:
    return Always(lambda height, width: CropTransform(*xywh, width, height))


def strided(image: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    return image[:, ::rows, ::columns]


@for_each("data*.npz")
def test_records(case, compare):
    records = list(dataset())
    compare.equal("number of records", len(records), case["num_images"])
    annotations = [a for record in records for a in record["annotations"]]
    per_image = [len(record["annotations"]) for record in records]
    compare.equal("annotations an image", per_image, case.ints("records_n"))
    boxes = torch.tensor([a["bbox"] for a in annotations], dtype=torch.float64)
    compare("boxes of records", boxes, case["records_boxes"], atol=0.0)
    compare.equal(
        "contiguous classes", [a["category_id"] for a in annotations], case.ints("records_cat")
    )
    compare.equal("crowds", [a["iscrowd"] for a in annotations], case.ints("records_crowd"))


@for_each("data*.npz", cases=matching(r"(test_\d+_)slice"))
def test_mapper_when_testing(case, compare):
    check_testing(case, compare, case.whole.ints("resize_short_max"), (7, 7))


@for_each("data*.npz", cases=matching(r"(test800_\d+_)slice"))
def test_mapper_when_testing_at_the_published_size(case, compare):
    check_testing(case, compare, [800, 1333], (29, 31))


def check_testing(case: Golden, compare, short_max: list[int], strides: tuple[int, int]) -> None:
    mapper = DetrMapper([ResizeShortestEdge(*short_max)], is_train=False)
    item = mapper(dataset()[number(case)])
    compare.equal("keys of an item", sorted(item), sorted(case["keys"]))
    compare.equal("original size", [item["height"], item["width"]], case.ints("hw"))
    compare.equal("image id", item["image_id"], case["image_id"])
    check_pixels(case, compare, item["image"], strides)
    pixels = item["image"].double().flatten(1)
    compare("mean of channels", pixels.mean(1), case["mean"], atol=1e-6)
    spread = pixels.std(1)
    compare("standard deviation of channels", spread, case["std"], atol=1e-6)


def number(case: Golden) -> int:
    """Of the image, from a prefix such as train_flip_resize_1_."""
    return int(case.prefix.rstrip("_").rpartition("_")[2])


def check_pixels(case: Golden, compare, image: torch.Tensor, strides: tuple[int, int]) -> None:
    assert image.dtype == torch.uint8
    compare.equal("shape of an image", list(image.shape), case.ints("shape"))
    compare("pixels", strided(image, *strides), case["slice"], atol=0.0)
    compare.equal("sum of all pixels", int(image.sum(dtype=torch.int64)), case["sum"])


def steps(kind: str, whole: Golden) -> list[Augmentation]:
    """The augmentations of train_<kind>; the flips are certain."""
    resize = ResizeShortestEdge(*whole.ints("resize_short_max"))
    return {
        "resize": [resize],
        "flip_resize": [RandomFlip(prob=1.0), resize],
        "crop_resize": [crop(whole.ints("crop_xywh")), resize],
        "vflip": [RandomFlip(prob=1.0, horizontal=False, vertical=True)],
    }[kind]


@for_each("data*.npz", cases=matching(r"(train_\w+_\d+_)slice"))
def test_mapper_when_training(case, compare):
    kind = case.prefix.removeprefix("train_").rstrip("_").rpartition("_")[0]
    item = DetrMapper(steps(kind, case.whole), is_train=True)(dataset()[number(case)])
    compare.equal("keys of a training item", sorted(item), sorted(case["keys"]))
    check_pixels(case, compare, item["image"], (7, 7))
    instances = item["instances"]
    size = list(instances.image_size)
    compare.equal("size of the augmented image", size, case.ints("image_size"))
    compare("boxes of objects", instances.gt_boxes.tensor, case["gt_boxes"], atol=1e-3)
    compare.equal("classes of objects", instances.gt_classes.tolist(), case.ints("gt_classes"))


@for_each("data*.npz")
def test_sizes_after_shortest_edge(case, compare):
    ours = [
        list(ResizeShortestEdge.output_size((height, width), short, longest))
        for height, width, short, longest in case.ints("rse_in")
    ]
    compare.equal("sizes after ResizeShortestEdge", ours, case.ints("rse_out"))


def transforms(case: Golden) -> dict[str, list[Transform]]:
    """By the start of the array names; later ones see what earlier ones made."""
    whole = case.whole
    height, width = whole["tf_img"].shape[1:]
    resized = whole.ints("tf_resize_hw")
    flip = HFlipTransform(width)
    resize = ResizeTransform(height, width, *resized)
    last = whole.ints("tf_crop_in_flip_resize_crop_xywh")
    return {
        "flip_resize_crop": [flip, resize, CropTransform(*last, *resized[::-1])],
        "hflip": [flip],
        "vflip": [VFlipTransform(height)],
        "resize": [resize],
        "crop": [CropTransform(*whole.ints("tf_crop_xywh"), width, height)],
    }


def chosen(case: Golden, name: str) -> list[Transform]:
    return next(found for key, found in transforms(case).items() if name.startswith(key))


@for_each(
    "data*.npz", cases=matching(r"(tf_(?:hflip|vflip|resize_\d+x|crop_x\d+_|flip_resize_crop).*)")
)
def test_boxes_through_transforms(case, compare):
    whole = case.whole
    source = next(name for name in whole.names if name.startswith("tf_boxes_in"))
    boxes = whole[source].numpy()
    for transform in chosen(case, case.prefix.removeprefix("tf_")):
        boxes = transform.apply_box(boxes)
    compare("boxes through transforms", torch.from_numpy(boxes), case[""], atol=1e-9)


@for_each("data*.npz", cases=matching(r"(tfimg_.*)"))
def test_images_through_transforms(case, compare):
    image = case.whole["tf_img"].permute(1, 2, 0).numpy()
    for transform in chosen(case, case.prefix.removeprefix("tfimg_")):
        image = transform.apply_image(image)
    ours = torch.from_numpy(np.ascontiguousarray(image[::3, ::3]))
    compare("images through transforms", ours, case[""], atol=0.0)
