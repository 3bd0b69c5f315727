"""DINO-tiny with Rank-DETR's GIoU-aware loss and high-order matching cost."""

from aligndetr.config import LazyCall as L
from aligndetr.criterions import GIoUTarget, QualityFocalWeighting, SigmoidClassification
from aligndetr.matchers import HighOrderCost

from ...dino.configs.dino_tiny import dataloader, lr_multiplier, model, optimizer, train

model.criterion.classification = L(SigmoidClassification)(
    target=L(GIoUTarget)(),
    weighting=L(QualityFocalWeighting)(gamma=2.0, positive_factor=0.25, negative_factor=0.75),
)
model.criterion.matcher.cost = L(HighOrderCost)(power=4.0)
train.output_dir = "./output/dino_rank_tiny"
