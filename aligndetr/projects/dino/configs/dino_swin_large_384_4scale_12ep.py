"""DINO, Swin-L of window 12, 4 scales, 12 epochs: 56.9 AP on COCO as published in detrex."""

from .dino_swin_tiny_224_4scale_12ep import dataloader, lr_multiplier, model, optimizer, train

model.backbone.config = {
    "image_size": 384,
    "embed_dim": 192,
    "depths": [2, 2, 18, 2],
    "num_heads": [6, 12, 24, 48],
    "window_size": 12,
    "drop_path_rate": 0.2,
}
model.neck.in_channels = {"stage2": 384, "stage3": 768, "stage4": 1536}
train.init_checkpoint = "huggingface://microsoft/swin-large-patch4-window12-384"
train.output_dir = "./output/dino_swin_large_384_4scale_12ep"
