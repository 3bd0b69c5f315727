"""AdamW as the whole family uses it: a tenth of the rate for the backbone, norms do not decay."""

import torch

from aligndetr.config import LazyCall as L
from aligndetr.engine.optimizer import parameter_groups

adamw = L(torch.optim.AdamW)(
    params=L(parameter_groups)(
        # `model` is put here when the run starts
        base_lr="${..lr}",
        weight_decay_norm=0.0,
        lr_factor={"backbone": 0.1},
    ),
    lr=1e-4,
    betas=[0.9, 0.999],
    weight_decay=1e-4,
    fused=True,  # one pass over the parameters: a third of the time of the loop
)
