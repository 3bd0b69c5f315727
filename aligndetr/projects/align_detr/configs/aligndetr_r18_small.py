"""AlignDETR, ResNet-18, 13 M parameters, from scratch at 400 pixels, for own data."""

from aligndetr.config import get_config

from ...dino.configs.dino_tiny import lr_multiplier, optimizer, train

model = get_config("models/dino_r18_small.py").model
model.criterion = get_config("models/aligndetr_r50.py").model.criterion
model.criterion.match_num = [2, 2, 2, 1]
dataloader = get_config("common/data/small.py").dataloader
optimizer.lr = 5e-4
train.epochs = 72
train.output_dir = "./output/aligndetr_r18_small"
