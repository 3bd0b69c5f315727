"""DINO with Swin-T of window 7 and four scales, as published in detrex."""

from aligndetr.config import LazyCall as L
from aligndetr.modeling.backbone import TransformersBackbone

from .dino_r50 import model

model.backbone = L(TransformersBackbone)(
    name_or_config="swin",
    out_features=["stage2", "stage3", "stage4"],
    config={
        "image_size": 224,
        "embed_dim": 96,
        "depths": [2, 2, 6, 2],
        "num_heads": [3, 6, 12, 24],
        "window_size": 7,
        "drop_path_rate": 0.1,
    },
    freeze_at=0,
)
model.neck.in_channels = {"stage2": 192, "stage3": 384, "stage4": 768}
