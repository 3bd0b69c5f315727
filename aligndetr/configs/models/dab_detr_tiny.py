"""DAB-DETR shrunk for images of about 160 pixels; its one scale has a stride of 16."""

from .dab_detr_r50 import model
from .tiny import one_scale, shrink

shrink(model)
one_scale(model)
model.decoder.first_layer.self_attention.num_heads = 4
model.decoder.first_layer.cross_attention.num_heads = 4
model.decoder.first_layer.ffn.feedforward_dim = 128
model.postprocess.num_select = 40
