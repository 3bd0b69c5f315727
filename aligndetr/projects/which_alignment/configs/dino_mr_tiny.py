"""DINO-tiny with an auxiliary route that is matched one-to-many (after Mr. DETR)."""

from aligndetr.config import LazyCall as L
from aligndetr.criterions import HybridCriterion, SetCriterion
from aligndetr.matchers import QualityCost, QualityMatcher
from aligndetr.modeling import RoutedQueries

from ...dino.configs.dino_tiny import dataloader, lr_multiplier, model, optimizer, train

model.query_source._target_ = RoutedQueries
model.criterion = L(HybridCriterion)(
    one_to_one=model.criterion,
    one_to_many=L(SetCriterion)(
        matcher=L(QualityMatcher)(cost=L(QualityCost)(iou_weight=0.8), threshold=0.4),
        classification=model.criterion.classification,
        weights=model.criterion.weights,
        match_num=[1, 6, 6, 6],  # queries that an object keeps, a layer; the first is not used
    ),
    num_queries="${..num_queries}",
    copies=1,
)
train.output_dir = "./output/dino_mr_tiny"
