"""RT-DETR shrunk to about 1 M parameters for images of 160 x 160 pixels."""

from .rtdetr_r50 import model
from .tiny import shrink

shrink(model)
model.neck.in_channels = {"res3": 32, "res4": 64, "res5": 128}
model.neck.norm = "BN"
model.encoder.position_embedding.num_features = 32
model.encoder.expansion = 0.5
model.denoiser.num_queries = 20
model.denoiser.label_noise_ratio = 0.2  # what all figures of the tiny models were made with
model.postprocess.num_select = 40
