"""DINO shrunk to about 0.9 M parameters, three scales, for images of about 160 pixels."""

from .dino_r50 import model

model.num_classes = None  # as many as the dataset has
model.num_queries = 40
model.embed_dim = 64
model.backbone.depth = 18
model.backbone.width = 16
model.backbone.norm = "BN"
model.backbone.freeze_at = 0
model.neck.in_channels = {"res3": 32, "res4": 64, "res5": 128}
model.neck.num_outs = 3
model.neck.num_groups = 8
model.pyramid.position_embedding.num_features = 32
model.encoder.num_layers = 1
model.encoder.layer.self_attention.num_heads = 4
model.encoder.layer.ffn.feedforward_dim = 128
model.decoder.num_layers = 3
model.decoder.layer.self_attention.num_heads = 4
model.decoder.layer.cross_attention.num_heads = 4
model.decoder.layer.ffn.feedforward_dim = 128
model.denoiser.num_queries = 20
model.postprocess.num_select = 100
