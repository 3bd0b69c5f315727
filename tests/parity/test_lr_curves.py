"""Learning-rate multipliers as functions of progress."""

from __future__ import annotations

import math
from fractions import Fraction

from fvcore.common.param_scheduler import MultiStepParamScheduler, ParamScheduler

from aligndetr.engine.lr_schedule import WarmupParamScheduler
from tests.parity.golden import Golden, for_each


def curves(golden: Golden) -> list[str]:
    return golden["curves"]


def multistep(case: Golden) -> ParamScheduler:
    """fvcore counts in whole units: use the coarsest that has all milestones on its grid."""
    parts = [Fraction(x).limit_denominator(10_000) for x in case["_milestones"].tolist()]
    units = math.lcm(*(part.denominator for part in parts))
    milestones = [int(part * units) for part in parts]
    return MultiStepParamScheduler(case["_values"].tolist(), units, milestones)


KINDS = {"multistep": multistep}


@for_each("lr_curves*.npz", cases=curves)
def test_multiplier(case, compare):
    scheduler = WarmupParamScheduler(
        KINDS[case["_kind"]](case),
        warmup_factor=case["_warmup_factor"],
        warmup_length=case["_warmup_length"],
        warmup_method=case["_warmup_method"],
    )
    ours = [scheduler(where) for where in case.whole["x"].tolist()]
    compare("multiplier", ours, case[""], atol=1e-12)
