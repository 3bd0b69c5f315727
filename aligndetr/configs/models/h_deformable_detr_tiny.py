"""H-Deformable-DETR shrunk to about 0.9 M parameters, three scales, for small images."""

from .h_deformable_detr_r50 import model
from .tiny import shrink, three_scales

shrink(model)
three_scales(model)
model.query_source.num_one_to_many = 80
model.criterion.copies = 3
model.postprocess.num_select = 100
