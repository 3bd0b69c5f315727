"""Written the way the official AlignDETR repository writes an experiment."""

from detrex.config import get_config

from .models.aligndetr_small import model

dataloader = get_config("common/data/coco_detr.py").dataloader
optimizer = get_config("common/optim.py").AdamW
lr_multiplier = get_config("common/coco_schedule.py").lr_multiplier_24ep
train = get_config("common/train.py").train

model.criterion.match_num = [3, 3, 3, 1]
model.criterion.tau = 3

train.init_checkpoint = "detectron2://ImageNetPretrained/torchvision/R-101.pkl"
train.output_dir = "./output/published"
train.max_iter = 180000
train.eval_period = 7000
train.clip_grad.enabled = True
train.clip_grad.params.max_norm = 0.2
train.device = "cuda"
model.device = train.device

optimizer.lr = 2e-4
optimizer.betas = (0.9, 0.99)
optimizer.weight_decay = 1e-3
optimizer.params.lr_factor_func = lambda module_name: 0.1 if "backbone" in module_name else 1

dataloader.train.num_workers = 16
dataloader.train.total_batch_size = 8
dataloader.evaluator.output_dir = train.output_dir
