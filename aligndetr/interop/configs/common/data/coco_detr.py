"""detrex's COCO loaders with DETR's augmentation."""

import detectron2.data.transforms as T
from detectron2.config import LazyCall as L
from detectron2.data import (
    build_detection_test_loader,
    build_detection_train_loader,
    get_detection_dataset_dicts,
)
from detectron2.evaluation import COCOEvaluator
from detrex.data import DetrDatasetMapper


def resize(lengths, **limit):
    """The shorter edge to one of several lengths."""
    return L(T.ResizeShortestEdge)(short_edge_length=lengths, sample_style="choice", **limit)


SHORT_EDGES = list(range(480, 801, 32))

dataloader = {
    "train": L(build_detection_train_loader)(
        dataset=L(get_detection_dataset_dicts)(names="coco_2017_train"),
        mapper=L(DetrDatasetMapper)(
            augmentation=[L(T.RandomFlip)(), resize(SHORT_EDGES, max_size=1333)],
            augmentation_with_crop=[
                L(T.RandomFlip)(),
                resize([400, 500, 600]),
                L(T.RandomCrop)(crop_type="absolute_range", crop_size=(384, 600)),
                resize(SHORT_EDGES, max_size=1333),
            ],
            is_train=True,
            mask_on=False,
            img_format="RGB",
        ),
        total_batch_size=16,
        num_workers=4,
    ),
    "test": L(build_detection_test_loader)(
        dataset=L(get_detection_dataset_dicts)(names="coco_2017_val", filter_empty=False),
        mapper=L(DetrDatasetMapper)(
            augmentation=[L(T.ResizeShortestEdge)(short_edge_length=800, max_size=1333)],
            augmentation_with_crop=None,
            is_train=False,
            mask_on=False,
            img_format="RGB",
        ),
        num_workers=4,
    ),
    "evaluator": L(COCOEvaluator)(dataset_name="${..test.dataset.names}"),
}
