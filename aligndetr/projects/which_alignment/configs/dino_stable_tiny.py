"""DINO-tiny with stable matching: position-supervised loss and position-modulated cost."""

from aligndetr.config import LazyCall as L
from aligndetr.criterions import BestIoUTarget, QualityFocalWeighting, SigmoidClassification
from aligndetr.matchers import FocalCost, PositionModulatedCost

from ...dino.configs.dino_tiny import dataloader, lr_multiplier, model, optimizer, train

model.criterion.classification = L(SigmoidClassification)(
    target=L(BestIoUTarget)(power=2.0),
    weighting=L(QualityFocalWeighting)(gamma=2.0, positive_factor=0.25, negative_factor=0.75),
)
model.criterion.matcher.cost = L(PositionModulatedCost)(class_cost=L(FocalCost)(), beta=0.5)
model.criterion.denoising_weights = model.criterion.weights
model.criterion.weights = {"class": 6.0, "bbox": 5.0, "giou": 2.0}
train.output_dir = "./output/dino_stable_tiny"
