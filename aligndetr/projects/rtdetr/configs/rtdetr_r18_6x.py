"""RT-DETR, ResNet-18-D, 3 decoder layers, 72 epochs: 46.4 AP on COCO as published."""

from .rtdetr_r50_6x import dataloader, lr_multiplier, model, optimizer, train

model.backbone.depth = 18
model.backbone.norm = "SyncBN"
model.backbone.freeze_at = 0
model.neck.in_channels = {"res3": 128, "res4": 256, "res5": 512}
model.encoder.expansion = 0.5
model.decoder.num_layers = 3
train.init_checkpoint = "https://github.com/lyuwenyu/storage/releases/download/v0.1/ResNet18_vd_pretrained_from_paddle.pth"
train.output_dir = "./output/rtdetr_r18_6x"
