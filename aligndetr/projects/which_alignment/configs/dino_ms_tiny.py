"""DINO-tiny with mixed supervision: class heads of their own are matched one-to-many (MS-DETR)."""

from aligndetr.config import LazyCall as L
from aligndetr.criterions import HybridCriterion, SetCriterion
from aligndetr.matchers import QualityCost, QualityMatcher

from ...dino.configs.dino_tiny import dataloader, lr_multiplier, model, optimizer, train

model.criterion = L(HybridCriterion)(
    one_to_one=model.criterion,
    one_to_many=L(SetCriterion)(
        matcher=L(QualityMatcher)(cost=L(QualityCost)(iou_weight=0.7), threshold=0.4),
        classification=model.criterion.classification,
        weights=model.criterion.weights,
        match_num=[6, 6, 6, 6],  # queries that an object keeps in each layer; no proposals here
    ),
    num_queries=None,  # the same in both
    copies=1,
)
model.decoder.one2many_head = model.decoder.class_head
train.output_dir = "./output/dino_ms_tiny"
