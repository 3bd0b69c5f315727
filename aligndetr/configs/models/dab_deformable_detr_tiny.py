"""DAB-Deformable-DETR shrunk to about 0.9 M parameters, three scales, for small images."""

from .dab_deformable_detr_r50 import model
from .tiny import shrink, three_scales

shrink(model)
three_scales(model)
model.postprocess.num_select = 40  # one a query, as the other DAB models
