"""Two-stage Deformable-DETR with 0.9 M parameters on the embedded shapes: a CPU, minutes."""

from ...dino.configs.dino_tiny import dataloader, lr_multiplier, model, optimizer, train
from .deformable_detr_r50_two_stage_50ep import model as published

model.query_source = published.query_source
model.denoiser = None
model.decoder.position_mlp = None
model.decoder.refinement = published.decoder.refinement
model.decoder.norm = published.decoder.norm
model.criterion = published.criterion
train.output_dir = "./output/deformable_detr_tiny"
del published  # no part of the experiment
