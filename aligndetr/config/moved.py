"""Where names went that configs saved by earlier versions still use."""

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
}
