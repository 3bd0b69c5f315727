"""DINO-tiny with the matchability-aware loss (MAL, DEIM)."""

from aligndetr.config import LazyCall as L
from aligndetr.criterions import IoUTarget, MatchabilityWeighting, SigmoidClassification

from ...dino.configs.dino_tiny import dataloader, lr_multiplier, model, optimizer, train

model.criterion.classification = L(SigmoidClassification)(
    target=L(IoUTarget)(power=1.5), weighting=L(MatchabilityWeighting)(gamma=1.5)
)
train.output_dir = "./output/dino_mal_tiny"
