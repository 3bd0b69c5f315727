"""The parts of a detector, and the detector."""

from aligndetr.modeling.decoder import Decoder, DecoderLayer, DenseDecoderLayer
from aligndetr.modeling.denoising import ContrastiveDenoiser
from aligndetr.modeling.detector import Detector, DetectorOutput
from aligndetr.modeling.encoder import DenseEncoder, DenseEncoderLayer, Encoder, EncoderLayer
from aligndetr.modeling.heads import BoxHead, ClassHead, NoObjectClassHead
from aligndetr.modeling.hybrid_encoder import HybridEncoder
from aligndetr.modeling.necks import ChannelMapper, MapProjection, ProjectionNeck
from aligndetr.modeling.postprocess import ArgmaxPostprocess, TopKPostprocess
from aligndetr.modeling.pyramid import FeatureMap, PlainPyramidBuilder, Pyramid, PyramidBuilder
from aligndetr.modeling.queries.anchor_position import (
    AnchorPosition,
    BoxPosition,
    ModulatedAnchorPosition,
    ScaledAnchorPosition,
)
from aligndetr.modeling.queries.learned import (
    FixedCenterAnchors,
    LearnedAnchors,
    LearnedContentAnchors,
    LearnedPositions,
    LearnedQueries,
)
from aligndetr.modeling.queries.queries import Queries
from aligndetr.modeling.queries.token_selection import (
    HybridQueries,
    ProposedQueries,
    RoutedQueries,
    TokenQueries,
    TwoStageQueries,
)
from aligndetr.modeling.refinement import FixedAnchors, IterativeRefinement, LookForwardTwice

__all__ = [
    "AnchorPosition",
    "ArgmaxPostprocess",
    "BoxHead",
    "BoxPosition",
    "ChannelMapper",
    "ClassHead",
    "ContrastiveDenoiser",
    "Decoder",
    "DecoderLayer",
    "DenseDecoderLayer",
    "DenseEncoder",
    "DenseEncoderLayer",
    "Detector",
    "DetectorOutput",
    "Encoder",
    "EncoderLayer",
    "FeatureMap",
    "FixedAnchors",
    "FixedCenterAnchors",
    "HybridEncoder",
    "HybridQueries",
    "IterativeRefinement",
    "LearnedAnchors",
    "LearnedContentAnchors",
    "LearnedPositions",
    "LearnedQueries",
    "LookForwardTwice",
    "MapProjection",
    "ModulatedAnchorPosition",
    "NoObjectClassHead",
    "PlainPyramidBuilder",
    "ProjectionNeck",
    "ProposedQueries",
    "Pyramid",
    "PyramidBuilder",
    "Queries",
    "RoutedQueries",
    "ScaledAnchorPosition",
    "TokenQueries",
    "TopKPostprocess",
    "TwoStageQueries",
]
