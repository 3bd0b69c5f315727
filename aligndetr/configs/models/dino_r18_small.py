"""DINO with ResNet-18 and about 13 M parameters, for images of about 400 pixels."""

from .dino_r50 import model
from .small import shrink

shrink(model)
model.neck.num_outs = 3
model.encoder.num_layers = 3
model.pyramid.position_embedding.num_features = 64
model.pyramid.strides = [8, 16, 32]  # of images this small a part of a cell matters
