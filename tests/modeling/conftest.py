import pytest
import torch
from torch import nn

from aligndetr.criterions import SetCriterion, align_loss
from aligndetr.layers.attention import SelfAttention
from aligndetr.layers.deformable_attention import MultiScaleDeformableAttention
from aligndetr.layers.mlp import FeedForward
from aligndetr.layers.position_embedding import SinePositionEmbedding
from aligndetr.matchers import FocalCost, MatchingCost, MixedMatcher
from aligndetr.modeling import AnchorPosition, TwoStageQueries
from aligndetr.modeling.decoder import Decoder, DecoderLayer
from aligndetr.modeling.denoising import ContrastiveDenoiser
from aligndetr.modeling.detector import Detector
from aligndetr.modeling.encoder import Encoder, EncoderLayer
from aligndetr.modeling.heads import BoxHead, ClassHead
from aligndetr.modeling.necks import ChannelMapper
from aligndetr.modeling.postprocess import TopKPostprocess
from aligndetr.modeling.pyramid import PyramidBuilder
from aligndetr.modeling.refinement import LookForwardTwice
from aligndetr.structures import Boxes, Instances


class Patches(nn.Module):
    """A backbone of two strided convolutions: strides 8 and 16."""

    def __init__(self):
        super().__init__()
        self.fine = nn.Conv2d(3, 8, 8, stride=8)
        self.coarse = nn.Conv2d(8, 8, 2, stride=2)

    def forward(self, x):
        fine = self.fine(x).relu()
        return {"fine": fine, "coarse": self.coarse(fine).relu()}


@pytest.fixture
def make_detector():
    """A detector of a few thousand parameters; keyword arguments replace its parts."""

    def make(num_classes=5, num_queries=12, dim=16, num_layers=3, **parts):
        torch.manual_seed(0)

        def deformable():
            return MultiScaleDeformableAttention(dim, 2, 3, 2)

        encoder_layer = EncoderLayer(deformable(), FeedForward(dim, 32), dim)
        decoder_layer = DecoderLayer(SelfAttention(dim, 2), deformable(), FeedForward(dim, 32), dim)
        class_head, box_head = ClassHead(dim, num_classes), BoxHead(dim)
        defaults = dict(
            backbone=Patches(),
            neck=ChannelMapper({"fine": 8, "coarse": 8}, dim, 3, num_groups=4),
            pyramid=PyramidBuilder(SinePositionEmbedding(dim // 2, offset=-0.5), 3, dim),
            encoder=Encoder(encoder_layer, 2),
            query_source=TwoStageQueries(
                ClassHead(dim, num_classes), BoxHead(dim), num_queries, dim
            ),
            denoiser=ContrastiveDenoiser(num_classes, dim, num_queries=6),
            decoder=Decoder(
                decoder_layer,
                num_layers,
                LookForwardTwice(),
                class_head,
                box_head,
                nn.LayerNorm(dim),
                AnchorPosition(dim),
            ),
            criterion=SetCriterion(
                MixedMatcher(MatchingCost(FocalCost())),
                align_loss(),
                {"class": 1.0, "bbox": 5.0, "giou": 2.0},
                [2] * num_layers + [1],
            ),
            postprocess=TopKPostprocess(20),
        )
        model = Detector(
            **(defaults | parts),
            num_classes=num_classes,
            num_queries=num_queries,
            embed_dim=dim,
        )
        with torch.no_grad():  # zero-initialised layers would hide much
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.05)
        return model

    return make


@pytest.fixture
def make_item():
    """One image with `num_boxes` random objects, in detectron2's format."""

    def make(height=64, width=64, num_boxes=2, seed=0, num_classes=5):
        generator = torch.Generator().manual_seed(seed)
        low = torch.rand(num_boxes, 2, generator=generator) * 0.5
        size = torch.rand(num_boxes, 2, generator=generator) * 0.4 + 0.1
        scale = torch.tensor([width, height] * 2)
        return {
            "image": torch.randint(0, 256, (3, height, width), generator=generator).byte(),
            "height": height,
            "width": width,
            "image_id": seed,
            "instances": Instances(
                (height, width),
                gt_boxes=Boxes(torch.cat([low, low + size], 1) * scale),
                gt_classes=torch.randint(0, num_classes, (num_boxes,), generator=generator),
            ),
        }

    return make
