"""Where names went that configs saved by earlier versions still use."""

_MODELING = {  # file of 0.1 -> names that `aligndetr.modeling` offers
    "decoder": ("AnchorPosition", "BoxPosition"),
    "dense_decoder": ("DenseDecoderLayer",),
    "dense_encoder": ("DenseEncoder", "DenseEncoderLayer"),
    "feature_map": ("FeatureMap", "MapProjection"),
    "hybrid_queries": ("HybridQueries",),
    "learned_anchors": (
        "FixedCenterAnchors",
        "LearnedAnchors",
        "LearnedContentAnchors",
        "LearnedPositions",
    ),
    "neck": ("ChannelMapper",),
    "projection_neck": ("ProjectionNeck",),
    "query_position": ("ModulatedAnchorPosition", "ScaledAnchorPosition"),
    "query_source": ("LearnedQueries", "ProposedQueries", "TwoStageQueries"),
    "token_queries": ("TokenQueries",),
}

MOVED: dict[str, str] = {  # dotted name in a saved config.yaml -> its present one
    "aligndetr.criterions.AlignLoss": "aligndetr.criterions.align_loss",
    "aligndetr.criterions.FocalLoss": "aligndetr.criterions.focal_loss",
    "aligndetr.criterions.VarifocalLoss": "aligndetr.criterions.varifocal_loss",
    "aligndetr.criterions.align.AlignLoss": "aligndetr.criterions.align_loss",
    "aligndetr.criterions.focal.FocalLoss": "aligndetr.criterions.focal_loss",
    "aligndetr.criterions.hybrid.HybridCriterion": "aligndetr.criterions.HybridCriterion",
    "aligndetr.criterions.varifocal.VarifocalLoss": "aligndetr.criterions.varifocal_loss",
    "aligndetr.matchers.mixed.HungarianMatcher": "aligndetr.matchers.HungarianMatcher",
    "aligndetr.data.batch_resize.BatchResize": "aligndetr.data.augmentation.BatchResize",
    "aligndetr.data.photometric.RandomPhotometricDistort": (
        "aligndetr.data.augmentation.RandomPhotometricDistort"
    ),
    "aligndetr.data.transforms.RandomCrop": "aligndetr.data.augmentation.RandomCrop",
    "aligndetr.data.transforms.RandomFlip": "aligndetr.data.augmentation.RandomFlip",
    "aligndetr.data.transforms.Resize": "aligndetr.data.augmentation.Resize",
    "aligndetr.data.transforms.ResizeShortestEdge": (
        "aligndetr.data.augmentation.ResizeShortestEdge"
    ),
    "aligndetr.data.zoom.RandomIoUCrop": "aligndetr.data.augmentation.RandomIoUCrop",
    "aligndetr.data.zoom.RandomZoomOut": "aligndetr.data.augmentation.RandomZoomOut",
    "aligndetr.layers.deformable_attention_2d.DeformableAttention2D": (
        "aligndetr.projects.deformable_attention_2d.attention.DeformableAttention2D"
    ),
    "aligndetr.layers.deformable_attention_2d.PerLevelAttention": (
        "aligndetr.projects.deformable_attention_2d.attention.PerLevelAttention"
    ),
    "aligndetr.layers.repeat.repeat": "aligndetr.layers.repeat",
    "aligndetr.layers.repeat.share": "aligndetr.layers.share",
} | {
    f"aligndetr.modeling.{file}.{name}": f"aligndetr.modeling.{name}"
    for file, names in _MODELING.items()
    for name in names
}
