"""RT-DETR with ResNet-50-D (Zhao et al., 2023), as published for PyTorch by its authors."""

from torch.nn import GELU, Identity

from aligndetr.config import LazyCall as L
from aligndetr.criterions import IoUTarget, SigmoidClassification, VarifocalWeighting
from aligndetr.layers import FeedForward, PixelSineEmbedding, SelfAttention
from aligndetr.modeling import (
    BoxPosition,
    DenseEncoderLayer,
    HybridEncoder,
    PlainPyramidBuilder,
    ProjectionNeck,
    TokenQueries,
)
from aligndetr.modeling.backbone import DeepStem, PooledShortcut

from .dino_r50 import model

model.num_queries = 300
model.pixel_mean = [0.0, 0.0, 0.0]  # pixels scaled to [0, 1]
model.pixel_std = [255.0, 255.0, 255.0]

model.backbone.stem = DeepStem
model.backbone.shortcut = PooledShortcut

model.neck = L(ProjectionNeck)(
    in_channels={"res3": 512, "res4": 1024, "res5": 2048},
    out_channels="${..embed_dim}",
    num_outs=3,
    norm="SyncBN",
)
model.pyramid = L(PlainPyramidBuilder)()
model.encoder = L(HybridEncoder)(
    layer=L(DenseEncoderLayer)(
        self_attention=L(SelfAttention)(embed_dim="${....embed_dim}", num_heads=8, dropout=0.0),
        ffn=L(FeedForward)(
            embed_dim="${....embed_dim}", feedforward_dim=1024, dropout=0.0, activation=L(GELU)()
        ),
        embed_dim="${...embed_dim}",
        dropout=0.0,
    ),
    num_layers=1,
    position_embedding=L(PixelSineEmbedding)(num_features=128, temperature=10000),
    embed_dim="${..embed_dim}",
    num_levels="${..neck.num_outs}",
    expansion=1.0,
    num_blocks=3,
    norm="${..neck.norm}",
)
model.query_source = L(TokenQueries)(
    class_head=model.decoder.class_head,
    box_head=model.decoder.box_head,
    num_queries="${..num_queries}",
    embed_dim="${..embed_dim}",
)
model.denoiser.inverse_sigmoid_eps = 1e-5

model.decoder.layer.ffn.feedforward_dim = 1024
model.decoder.position_mlp = L(BoxPosition)(embed_dim="${...embed_dim}")
model.decoder.refinement.eps = 1e-5
model.decoder.norm = L(Identity)()
model.decoder.eval_idx = -1

model.criterion.classification = L(SigmoidClassification)(
    target=L(IoUTarget)(), weighting=L(VarifocalWeighting)(alpha=0.75, gamma=2.0)
)
