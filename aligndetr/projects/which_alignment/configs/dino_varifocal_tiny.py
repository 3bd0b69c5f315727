"""DINO-tiny whose scores should be overlaps, with varifocal weights (VarifocalNet, RT-DETR)."""

from aligndetr.config import LazyCall as L
from aligndetr.criterions import IoUTarget, SigmoidClassification, VarifocalWeighting

from ...dino.configs.dino_tiny import dataloader, lr_multiplier, model, optimizer, train

model.criterion.classification = L(SigmoidClassification)(
    target=L(IoUTarget)(), weighting=L(VarifocalWeighting)(alpha=0.75, gamma=2.0)
)
train.output_dir = "./output/dino_varifocal_tiny"
