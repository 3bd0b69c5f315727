"""DINO-tiny whose boxes learn, in every layer, from the pairs of all layers (D-FINE)."""

from aligndetr.config import LazyCall as L
from aligndetr.matchers import UnionOverLayers

from ...dino.configs.dino_tiny import dataloader, lr_multiplier, model, optimizer, train

model.criterion.box_assignment = L(UnionOverLayers)()
train.output_dir = "./output/dino_union_tiny"
