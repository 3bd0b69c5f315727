"""DETR shrunk for images of about 160 pixels; its one scale has a stride of 16."""

from .detr_r50 import model
from .dino_tiny import model as tiny

model.num_classes = None  # as many as the dataset has
model.num_queries = 40
model.embed_dim = 64
model.backbone = tiny.backbone
model.backbone.out_features = ["res4"]
model.neck.in_channels = {"res4": 64}
model.pyramid.position_embedding.num_features = 32
model.encoder.num_layers = 1
model.decoder.num_layers = 3
model.encoder.layer.self_attention.num_heads = 4
model.decoder.layer.self_attention.num_heads = 4
model.decoder.layer.cross_attention.num_heads = 4
model.encoder.layer.ffn.feedforward_dim = 128
model.decoder.layer.ffn.feedforward_dim = 128
