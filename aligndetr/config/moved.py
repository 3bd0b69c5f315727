"""Where names went that configs saved by earlier versions still use."""

_DAT = "aligndetr.projects.deformable_attention_2d.attention"
_FILES = {  # module of 0.1 -> where its names are now -> these names
    "criterions.hybrid": ("aligndetr.criterions", "HybridCriterion"),
    "data.batch_resize": ("aligndetr.data.augmentation", "BatchResize"),
    "data.photometric": ("aligndetr.data.augmentation", "RandomPhotometricDistort"),
    "data.transforms": (
        "aligndetr.data.augmentation",
        "RandomCrop RandomFlip Resize ResizeShortestEdge",
    ),
    "data.zoom": ("aligndetr.data.augmentation", "RandomIoUCrop RandomZoomOut"),
    "layers.deformable_attention_2d": (_DAT, "DeformableAttention2D PerLevelAttention"),
    "layers.repeat": ("aligndetr.layers", "repeat share"),
    "matchers.mixed": ("aligndetr.matchers", "HungarianMatcher"),
    "modeling.decoder": ("aligndetr.modeling", "AnchorPosition BoxPosition"),
    "modeling.dense_decoder": ("aligndetr.modeling", "DenseDecoderLayer"),
    "modeling.dense_encoder": ("aligndetr.modeling", "DenseEncoder DenseEncoderLayer"),
    "modeling.feature_map": ("aligndetr.modeling", "FeatureMap MapProjection"),
    "modeling.hybrid_queries": ("aligndetr.modeling", "HybridQueries"),
    "modeling.learned_anchors": (
        "aligndetr.modeling",
        "FixedCenterAnchors LearnedAnchors LearnedContentAnchors LearnedPositions",
    ),
    "modeling.neck": ("aligndetr.modeling", "ChannelMapper"),
    "modeling.projection_neck": ("aligndetr.modeling", "ProjectionNeck"),
    "modeling.query_position": (
        "aligndetr.modeling",
        "ModulatedAnchorPosition ScaledAnchorPosition",
    ),
    "modeling.query_source": (
        "aligndetr.modeling",
        "LearnedQueries ProposedQueries TwoStageQueries",
    ),
    "modeling.token_queries": ("aligndetr.modeling", "TokenQueries"),
}
_LOSSES = {"align": "AlignLoss", "focal": "FocalLoss", "varifocal": "VarifocalLoss"}

# Dotted name in a saved config.yaml -> its present one.
MOVED: dict[str, str] = {
    f"aligndetr.{module}.{name}": f"{present}.{name}"
    for module, (present, names) in _FILES.items()
    for name in names.split()
}
for _file, _name in _LOSSES.items():
    for _module in ("criterions", f"criterions.{_file}"):
        MOVED[f"aligndetr.{_module}.{_name}"] = f"aligndetr.criterions.{_file}_loss"
