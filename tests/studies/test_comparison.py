"""Differences at equal seeds, by hand."""

import math

import numpy as np
import pytest

from studies.comparison import Difference, compare, read_methods


def runs(arm, **values):
    """One run a seed, 0 and on."""
    return [
        {
            "arm": arm,
            "seed": seed,
            "metrics": {f"bbox/{name}": v[seed] for name, v in values.items()},
        }
        for seed in range(len(next(iter(values.values()))))
    ]


def test_interval_by_hand():
    # Mean 2, deviation 1, standard error 1 / sqrt(3) = 0.57735; t(0.975, 2) = 4.30265:
    # 2 -+ 2.48414.
    found = Difference("AP", np.array([1.0, 2.0, 3.0]), 0.0742)
    assert found.half == pytest.approx(2.48414, abs=1e-4)
    assert found.cells == ["+2.0", "-0.5 to +4.5", "3", "3", "0.074"]
    assert Difference("AP", np.array([-5.0]), math.nan).cells == ["-5.0", "-", "1", "0", "-"]


def test_p_is_corrected_for_all_comparisons():
    # t = 2 / 0.57735 = 3.4641 with 2 degrees: p = 0.0742. t = 4 / (0.1 / sqrt(3)) = 69.28:
    # p = 0.000208. Of two, the smaller counts twice, the larger once.
    methods = read_methods(
        runs("a", AP=[10.0, 10.0, 10.0], AP50=[20.0, 20.0, 20.0])
        + runs("b", AP=[11.0, 12.0, 13.0], AP50=[23.9, 24.0, 24.1])
    )
    ((ap, ap50),) = compare([(methods["a"], methods["b"])], ["bbox/AP", "bbox/AP50"])
    assert ap.p == pytest.approx(0.0742, abs=1e-4)
    assert ap50.p == pytest.approx(2 * 0.000208, abs=2e-6)
    (one,), (other,) = compare([(methods["a"], methods["b"])] * 2, ["bbox/AP"])
    assert one.p == other.p == pytest.approx(2 * 0.0742, abs=2e-4)


def test_differences_are_taken_at_equal_seeds():
    # Seeds 1 and 2 are in both: 15 - 11 = 4, 14 - 12 = 2.
    methods = read_methods(runs("a", AP=[5.0, 11.0, 12.0]) + runs("b", AP=[0.0, 15.0, 14.0])[1:])
    ((found,),) = compare([(methods["a"], methods["b"])], ["bbox/AP", "bbox/AP75"])
    assert sorted(found.values) == [2.0, 4.0]
