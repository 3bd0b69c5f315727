"""COCO 2017 with DETR's augmentation: flip, then multi-scale resize or resize-crop-resize."""

from aligndetr.config import LazyCall as L
from aligndetr.data import DetrMapper, build_test_loader, build_train_loader, load_dataset
from aligndetr.data import augmentation as T
from aligndetr.evaluation.coco import COCOEvaluator

SHORT_EDGES = [480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800]
_SCALE = L(T.scale_to)(image_size="${dataloader.image_size}", recipe=800)

dataloader = {
    "image_size": 800,  # shorter edge in evaluation; all other lengths in pixels follow it
    "train": L(build_train_loader)(
        dataset=L(load_dataset)(
            names="coco_2017_train",
            json_file=None,
            image_root=None,
            filter_empty=True,
            path=None,
            split="train",
        ),
        mapper=L(DetrMapper)(
            augmentation=[
                L(T.RandomFlip)(),
                L(T.ResizeShortestEdge)(
                    short_edge_length=SHORT_EDGES,
                    max_size=1333,
                    sample_style="choice",
                    scale=_SCALE,
                ),
            ],
            augmentation_with_crop=[
                L(T.RandomFlip)(),
                L(T.ResizeShortestEdge)(
                    short_edge_length=[400, 500, 600], sample_style="choice", scale=_SCALE
                ),
                L(T.RandomCrop)(crop_type="absolute_range", crop_size=[384, 600], scale=_SCALE),
                L(T.ResizeShortestEdge)(
                    short_edge_length=SHORT_EDGES,
                    max_size=1333,
                    sample_style="choice",
                    scale=_SCALE,
                ),
            ],
            is_train=True,
            image_format="RGB",
        ),
        total_batch_size=16,
        num_workers=4,
        seed="${train.seed}",
    ),
    "test": L(build_test_loader)(
        dataset=L(load_dataset)(
            names="coco_2017_val",
            json_file=None,
            image_root=None,
            filter_empty=False,
            path="${...train.dataset.path}",
            split="val",
        ),
        mapper=L(DetrMapper)(
            augmentation=[
                L(T.ResizeShortestEdge)(short_edge_length=800, max_size=1333, scale=_SCALE)
            ],
            augmentation_with_crop=None,
            is_train=False,
            image_format="RGB",
        ),
        batch_size=1,
        num_workers=4,
    ),
    "evaluator": L(COCOEvaluator)(dataset="${..test.dataset}", output_dir="${train.output_dir}"),
}
