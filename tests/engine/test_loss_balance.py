"""Shares of the objective, on hand-made series."""

import numpy as np
import pytest

from aligndetr.engine.loss_balance import loss_balance
from aligndetr.errors import DataError


def series(values, first=0):
    return np.arange(first, first + len(values)), np.array(values, dtype=float)


def test_start_and_end_are_a_twentieth_each():
    # 40 lines: the first two and the last two
    ramp = [4.0, 6.0, *[100.0] * 36, 1.0, 2.0]
    balance = loss_balance({"total_loss": series(ramp), "loss_class": series(ramp)})
    assert (balance.start, balance.end) == ((1, 2), (39, 40))
    np.testing.assert_allclose(balance.losses["class", "last"], [5.0, 1.5])


def test_sums_over_terms_and_layers():
    metrics = {
        "total_loss": series([10.0, 20.0]),
        "loss_class_enc": series([1.0, 2.0]),
        "loss_class": series([3.0, 4.0]),
        "loss_bbox_dn_0": series([6.0, 14.0]),
        "lr": series([1.0, 1.0]),
    }
    balance = loss_balance(metrics)
    assert (balance.terms, balance.layers) == (["class", "bbox"], ["enc", "last", "dn_0"])
    np.testing.assert_allclose(balance.total("class"), [4.0, 6.0])
    np.testing.assert_allclose(balance.total(layer="dn_0"), [6.0, 14.0])
    np.testing.assert_allclose(balance.total(), [10.0, 20.0])
    assert np.isnan(balance.total("bbox", "enc")).all()


def test_what_is_not_called_a_loss_is_other():
    balance = loss_balance({"total_loss": series([10.0]), "loss_a": series([4.0])})
    np.testing.assert_allclose(balance.losses["other", "last"], [6.0, 6.0])


def test_a_loss_that_begins_later_was_nothing_before():
    metrics = {
        "total_loss": series([4.0, 6.0]),
        "loss_a": series([4.0, 4.0]),
        "loss_late": series([2.0], first=1),
    }
    np.testing.assert_allclose(loss_balance(metrics).losses["late", "last"], [0.0, 2.0])


def test_without_losses():
    with pytest.raises(DataError, match="no losses"):
        loss_balance({"total_loss": series([1.0])})
