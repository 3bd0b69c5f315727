"""detrex's schedules for COCO: one decay by ten; an epoch is 7500 iterations of 16 images."""

from detectron2.config import LazyCall as L
from detectron2.solver import WarmupParamScheduler
from fvcore.common.param_scheduler import MultiStepParamScheduler

ITERATIONS = 7500


def default_coco_scheduler(epochs=50, decay_epochs=40, warmup_epochs=0):
    """Decay after `decay_epochs` of `epochs`, after a linear warm-up."""
    return L(WarmupParamScheduler)(
        scheduler=L(MultiStepParamScheduler)(
            values=[1.0, 0.1], milestones=[decay_epochs * ITERATIONS, epochs * ITERATIONS]
        ),
        warmup_length=warmup_epochs / epochs,
        warmup_method="linear",
        warmup_factor=0.001,
    )


lr_multiplier_50ep = default_coco_scheduler(50, 40)
lr_multiplier_36ep = default_coco_scheduler(36, 30)
lr_multiplier_24ep = default_coco_scheduler(24, 20)
lr_multiplier_12ep = default_coco_scheduler(12, 11)
lr_multiplier_50ep_warmup = default_coco_scheduler(50, 40, 1e-3)
lr_multiplier_36ep_warmup = default_coco_scheduler(36, 30, 1e-3)
lr_multiplier_24ep_warmup = default_coco_scheduler(24, 20, 1e-3)
lr_multiplier_12ep_warmup = default_coco_scheduler(12, 11, 1e-3)
