"""Configs that 0.1 saved name the parts of models by where they were then."""

import pytest

from aligndetr.config.import_names import import_path, locate

EARLIER = """
aligndetr.modeling.backbone.ResNet
aligndetr.modeling.backbone.TransformersBackbone
aligndetr.modeling.backbone.blocks.DeepStem
aligndetr.modeling.backbone.blocks.PooledShortcut
aligndetr.modeling.decoder.AnchorPosition
aligndetr.modeling.decoder.BoxPosition
aligndetr.modeling.decoder.Decoder
aligndetr.modeling.decoder.DecoderLayer
aligndetr.modeling.denoising.ContrastiveDenoiser
aligndetr.modeling.dense_decoder.DenseDecoderLayer
aligndetr.modeling.dense_encoder.DenseEncoder
aligndetr.modeling.dense_encoder.DenseEncoderLayer
aligndetr.modeling.detector.Detector
aligndetr.modeling.encoder.Encoder
aligndetr.modeling.encoder.EncoderLayer
aligndetr.modeling.feature_map.FeatureMap
aligndetr.modeling.feature_map.MapProjection
aligndetr.modeling.heads.BoxHead
aligndetr.modeling.heads.ClassHead
aligndetr.modeling.heads.NoObjectClassHead
aligndetr.modeling.hybrid_encoder.HybridEncoder
aligndetr.modeling.hybrid_queries.HybridQueries
aligndetr.modeling.learned_anchors.FixedCenterAnchors
aligndetr.modeling.learned_anchors.LearnedAnchors
aligndetr.modeling.learned_anchors.LearnedContentAnchors
aligndetr.modeling.learned_anchors.LearnedPositions
aligndetr.modeling.neck.ChannelMapper
aligndetr.modeling.postprocess.ArgmaxPostprocess
aligndetr.modeling.postprocess.TopKPostprocess
aligndetr.modeling.projection_neck.ProjectionNeck
aligndetr.modeling.pyramid.PlainPyramidBuilder
aligndetr.modeling.pyramid.PyramidBuilder
aligndetr.modeling.query_position.ModulatedAnchorPosition
aligndetr.modeling.query_position.ScaledAnchorPosition
aligndetr.modeling.query_source.LearnedQueries
aligndetr.modeling.query_source.ProposedQueries
aligndetr.modeling.query_source.TwoStageQueries
aligndetr.modeling.refinement.FixedAnchors
aligndetr.modeling.refinement.IterativeRefinement
aligndetr.modeling.refinement.LookForwardTwice
aligndetr.modeling.token_queries.TokenQueries
""".split()  # noqa: SIM905 - a column of names


@pytest.mark.parametrize("name", EARLIER)
def test_a_name_of_a_saved_config_stands_for_the_same_part(name):
    part = locate(name)
    assert part.__name__ == name.rpartition(".")[2]
    assert locate(import_path(part)) is part  # and is saved under a name that loads
