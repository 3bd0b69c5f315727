"""Intervals: against what theory says of a mean."""

import numpy as np

from aligndetr.analysis.bootstrap import average_precision_intervals, bootstrap
from aligndetr.analysis.matches import match


def test_interval_of_a_mean_is_what_theory_says():
    """1.96 standard errors to both sides, for a statistic whose spread is known."""
    values = np.random.default_rng(0).normal(5, 2, 400)
    error = values.std() / np.sqrt(400)

    def mean(weights):
        return np.array([(weights * values).sum() / weights.sum()])

    (interval,) = bootstrap(mean, 400, rounds=4000)
    np.testing.assert_allclose(interval.value, values.mean(), rtol=1e-12)
    np.testing.assert_allclose(interval.low, values.mean() - 1.96 * error, atol=0.1 * error)
    np.testing.assert_allclose(interval.high, values.mean() + 1.96 * error, atol=0.1 * error)
    (narrow,) = bootstrap(mean, 400, rounds=4000, confidence=0.5)
    np.testing.assert_allclose(narrow.high - narrow.low, 2 * 0.674 * error, rtol=0.06)


def test_rounds_in_which_a_figure_is_missing_do_not_count():
    def figure(weights):
        return np.array([np.nan if weights[0] == 0 else 3.0, np.nan])

    known, never = bootstrap(figure, 5, rounds=50)
    assert (known.value, known.low, known.high) == (3, 3, 3)
    assert np.isnan([never.value, never.low, never.high]).all()


def test_more_images_make_ap_surer(make_truth, make_object, make_detection):
    """Every second image's object is found: 50 of 100; with 400 images half the width."""

    def width(images):
        objects = [make_object(i, 1, [0, 0, 10, 10]) for i in range(images)]
        found = [make_detection(i, 1, [0, 0, 10, 10], 0.9) for i in range(0, images, 2)]
        truth = make_truth(objects, range(images), {1: "a", 2: "b"})
        intervals = average_precision_intervals(match(truth, found), rounds=300)
        # all found ones are right: precision 1 up to recall 0.5, that is 51 of 101 recalls
        np.testing.assert_allclose(intervals["AP50"].value, 100 * 51 / 101)
        same = [[getattr(intervals[n], end) for end in ("low", "high")] for n in ("AP", "AP-a")]
        np.testing.assert_allclose(*same)
        assert np.isnan(intervals["AP-b"].value)
        return intervals["AP"].high - intervals["AP"].low

    np.testing.assert_allclose(width(100) / width(400), 2, rtol=0.2)
