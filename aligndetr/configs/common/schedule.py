"""Learning rate over a run. Milestones are in epochs; a run of another length stretches them."""

from fvcore.common.param_scheduler import ConstantParamScheduler, MultiStepParamScheduler

from aligndetr.config import LazyCall as L
from aligndetr.engine.lr_schedule import OneCycleParamScheduler, WarmupParamScheduler


def step(decay_epoch, epochs):
    """A tenth of the rate from `decay_epoch` on."""
    return L(WarmupParamScheduler)(
        scheduler=L(MultiStepParamScheduler)(values=[1.0, 0.1], milestones=[decay_epoch, epochs]),
        warmup_factor=0.001,
        warmup_length=0.0,
        warmup_method="linear",
    )


step_12ep = step(11, 12)
step_24ep = step(20, 24)
step_36ep = step(30, 36)
step_50ep = step(40, 50)
step_300ep = step(200, 300)
# The whole run at one rate, which rises in the first 2000 of 540 000 iterations.
constant = L(WarmupParamScheduler)(
    scheduler=L(ConstantParamScheduler)(value=1.0),
    warmup_factor=0.001,
    warmup_length=0.0037,
    warmup_method="linear",
)
one_cycle = L(OneCycleParamScheduler)(rise=0.1, start_factor=0.05, end_factor=0.01)
