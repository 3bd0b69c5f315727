"""Two-stage Deformable-DETR shrunk to about 0.9 M parameters, three scales, for small images."""

from .deformable_detr_two_stage_r50 import model
from .tiny import shrink, three_scales

shrink(model)
three_scales(model)
for layer in (model.encoder.layer, model.decoder.layer):  # a short training needs no dropout
    layer.ffn.dropout = 0.0
    layer.dropout = 0.0
model.decoder.layer.self_attention.dropout = 0.0
model.postprocess.num_select = 100
