"""DAB-Deformable-DETR shrunk to about 0.9 M parameters, three scales, for small images."""

from .dab_deformable_detr_r50 import model as full
from .dino_tiny import model

model.query_source = full.query_source
model.denoiser = None
model.decoder.position_mlp = full.decoder.position_mlp
model.decoder.refinement = full.decoder.refinement
model.decoder.norm = full.decoder.norm
model.postprocess.num_select = 40  # one a query, as the other DAB models
