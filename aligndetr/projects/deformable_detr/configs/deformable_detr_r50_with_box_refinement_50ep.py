"""Deformable-DETR, iterative box refinement, 50 epochs: 47.0 AP on COCO as published in detrex."""

from aligndetr.config import LazyCall as L
from aligndetr.layers import repeat
from aligndetr.modeling import IterativeRefinement

from .deformable_detr_r50_50ep import dataloader, lr_multiplier, model, optimizer, train

model.decoder.refinement = L(IterativeRefinement)(eps=1e-3)
model.decoder.heads = repeat
train.output_dir = "./output/deformable_detr_r50_with_box_refinement_50ep"
