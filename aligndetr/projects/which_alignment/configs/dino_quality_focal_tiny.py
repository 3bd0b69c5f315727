"""DINO-tiny whose scores should be overlaps, with the quality focal loss (GFL)."""

from aligndetr.config import LazyCall as L
from aligndetr.criterions import IoUTarget, QualityFocalWeighting, SigmoidClassification

from ...dino.configs.dino_tiny import dataloader, lr_multiplier, model, optimizer, train

model.criterion.classification = L(SigmoidClassification)(
    target=L(IoUTarget)(), weighting=L(QualityFocalWeighting)(gamma=2.0)
)
train.output_dir = "./output/dino_quality_focal_tiny"
