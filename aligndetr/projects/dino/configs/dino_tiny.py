"""DINO with 0.9 M parameters on the embedded shapes: trains on a CPU in minutes."""

from aligndetr.config import get_config

model = get_config("models/dino_tiny.py").model
dataloader = get_config("common/data/shapes.py").dataloader
optimizer = get_config("common/optim.py").adamw
lr_multiplier = get_config("common/schedule.py").one_cycle
train = get_config("common/train.py").train

optimizer.lr = 3e-3
optimizer.params.lr_factor = None
train.reference_batch_size = 8
train.epochs = 12
train.eval_period = 1000
train.eval_epochs = 4
train.clip_grad.params.max_norm = 1.0
train.output_dir = "./output/dino_tiny"
