"""AlignDETR-tiny with mosaics and blends in the first half, and none at the end."""

from aligndetr.config import LazyCall as L
from aligndetr.data import augmentation as T

from ....configs.common.dense import stages
from ...align_detr.configs.aligndetr_tiny import dataloader, lr_multiplier, model, optimizer, train

_SCALE = L(T.scale_to)(image_size="${dataloader.image_size}", recipe=160)
_EDGE = L(T.scaled)(length=160, scale=_SCALE)
_RESIZE = L(T.ResizeShortestEdge)(short_edge_length="${dataloader.image_size}")

dataloader["train"].stages = stages(dataloader["train"], size=_EDGE, resize=_RESIZE)
model.num_queries = 100  # k = 2 copies of up to 25 objects; a blend of mosaics has that many
train.output_dir = "./output/aligndetr_tiny_dense"
