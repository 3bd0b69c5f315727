"""RT-DETR, ResNet-50-D, 72 epochs: 53.1 AP on COCO as published by its authors."""

from aligndetr.config import get_config

model = get_config("models/rtdetr_r50.py").model
dataloader = get_config("common/data/coco_square.py").dataloader
optimizer = get_config("common/optim.py").adamw
lr_multiplier = get_config("common/schedule.py").constant
train = get_config("common/train.py").train

optimizer.params.weight_decay_overrides = {"bias": 0.0}
train.epochs = 72
train.model_ema = {"enabled": True, "decay": 0.9999, "warmup": 2000}
train.init_checkpoint = "https://github.com/lyuwenyu/storage/releases/download/v0.1/ResNet50_vd_ssld_v2_pretrained_from_paddle.pth"
train.output_dir = "./output/rtdetr_r50_6x"
