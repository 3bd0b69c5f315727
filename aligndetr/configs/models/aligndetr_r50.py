"""AlignDETR with ResNet-50 and four scales (Cai et al., 2023): DINO with another criterion."""

from aligndetr.config import LazyCall as L
from aligndetr.criterions import (
    AlignTarget,
    AlignWeighting,
    RankWeights,
    SetCriterion,
    SigmoidClassification,
)
from aligndetr.matchers import MixedMatcher

from .dino_r50 import model

model.criterion = L(SetCriterion)(
    matcher=L(MixedMatcher)(cost=model.criterion.matcher.cost),
    classification=L(SigmoidClassification)(
        target=L(AlignTarget)(alpha=0.25),
        weighting=L(AlignWeighting)(gamma=2.0),
        rank_weights=L(RankWeights)(tau=1.5),
    ),
    weights=model.criterion.weights,
    match_num=[2, 2, 2, 2, 2, 2, 1],  # proposals, decoder layers 1 to 6
)
