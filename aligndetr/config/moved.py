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
}
