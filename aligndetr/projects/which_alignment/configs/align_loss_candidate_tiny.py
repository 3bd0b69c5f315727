"""A candidate for AlignDETR's later "Align Loss": IA-BCE with the focal term of GFL."""

from aligndetr.config import LazyCall as L
from aligndetr.criterions import QualityFocalWeighting

from ...align_detr.configs.aligndetr_tiny import dataloader, lr_multiplier, model, optimizer, train

model.criterion.classification.weighting = L(QualityFocalWeighting)(gamma=2.0)
train.output_dir = "./output/align_loss_candidate_tiny"
