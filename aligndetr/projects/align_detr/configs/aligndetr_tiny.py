"""AlignDETR with 0.9 M parameters on the embedded shapes: trains on a CPU in minutes."""

from aligndetr.config import get_config

from ...dino.configs.dino_tiny import dataloader, lr_multiplier, model, optimizer, train

model.criterion = get_config("models/aligndetr_r50.py").model.criterion
model.criterion.match_num = [2, 2, 2, 1]
train.output_dir = "./output/aligndetr_tiny"
