"""DINO tiny whose encoder attends within levels, to points that the level moves (DAT)."""

from aligndetr.config import LazyCall as L
from aligndetr.config import get_config
from aligndetr.projects.deformable_attention_2d.attention import (
    DeformableAttention2D,
    PerLevelAttention,
)

from ...dino.configs.dino_tiny import dataloader, lr_multiplier, optimizer, train

model = get_config("models/dino_tiny.py").model

model.encoder.layer.self_attention = L(PerLevelAttention)(
    attention=L(DeformableAttention2D)(
        embed_dim="${.....embed_dim}",
        num_heads=4,
        num_groups=2,
        stride=2,
        kernel_size=4,
        offset_range=2.0,
        bias_dim=16,
    )
)
optimizer.lr = 1e-3  # at three times that, the loss stays where it is after 60 steps
train.output_dir = "./output/dino_dat_tiny"
