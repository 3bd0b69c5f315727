"""DINO-tiny with an auxiliary route that is matched one-to-many (after Mr. DETR)."""

from aligndetr.modeling import RoutedQueries

from .dino_ms_tiny import dataloader, lr_multiplier, model, optimizer, train

model.query_source._target_ = RoutedQueries
model.decoder.one2many_head = None
model.criterion.num_queries = "${..num_queries}"  # of the first route
model.criterion.one_to_many.matcher.cost.iou_weight = 0.8
train.output_dir = "./output/dino_mr_tiny"
