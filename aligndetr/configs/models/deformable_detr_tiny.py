"""Two-stage Deformable-DETR shrunk to about 0.9 M parameters, three scales, for small images."""

from .deformable_detr_r50 import without_dropout
from .deformable_detr_two_stage_r50 import model
from .tiny import shrink, three_scales

shrink(model)
three_scales(model)
without_dropout(model)  # which a short training does not need
model.postprocess.num_select = 100
