"""H-Deformable-DETR with 0.9 M parameters on the embedded shapes: trains on a CPU in minutes."""

from aligndetr.config import get_config

from ...dino.configs.dino_tiny import dataloader, lr_multiplier, model, optimizer, train

published = get_config("models/h_deformable_detr_r50.py").model
model.query_source = published.query_source
model.query_source.num_one_to_many = 80
model.denoiser = None
model.decoder.position_mlp = None
model.decoder.norm = published.decoder.norm
model.criterion = published.criterion
model.criterion.copies = 3
train.output_dir = "./output/h_deformable_detr_tiny"
del published  # no part of the experiment
