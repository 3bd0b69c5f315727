"""RT-DETR with ResNet-18-D and about 15 M parameters, for images of about 400 x 400 pixels."""

from .rtdetr_r50 import model
from .small import shrink

shrink(model)
model.neck.norm = "BN"
model.encoder.position_embedding.num_features = 64
