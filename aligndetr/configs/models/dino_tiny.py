"""DINO shrunk to about 0.9 M parameters, three scales, for images of about 160 pixels."""

from .dino_r50 import model
from .tiny import shrink, three_scales

shrink(model)
three_scales(model)
model.denoiser.num_queries = 20
model.denoiser.label_noise_ratio = 0.2  # what all figures of the tiny models were made with
model.postprocess.num_select = 100
