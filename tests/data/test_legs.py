"""Each image once an epoch, whatever processes come and go."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligndetr.data.legs import Leg, without
from aligndetr.data.samplers import training_batches, training_samples, training_stream


def consumed_by(stream, leg, groups):
    """What processes take that each run `training_batches` over their share, as the loader does."""
    stream = list(islice(stream, 3000))
    return [
        sample
        for rank in range(leg.world_size)
        for batch in islice(
            training_batches(stream[rank :: leg.world_size], leg.batch_size, groups), leg.batches
        )
        for sample in batch
    ]


def test_by_hand():
    """Two processes of batches of 2; wide images (odd numbers) share no batch with others."""
    stream = [(0, index) for index in (1, 2, 3, 4, 5, 7, 6, 9, 8, 0)]
    # process 0 gets 1 3 5 6 8: batch (1, 3); then 5, 6 and 8 would make (6, 8)
    # process 1 gets 2 4 7 9 0: batch (2, 4); then 7, 9
    groups = [index % 2 for index in range(10)]
    left = list(without(iter(stream), Leg(2, 2, 1), groups))
    assert [index for _, index in left] == [5, 7, 6, 9, 8, 0]
    # after two: process 0 has consumed (1, 3) and (6, 8), and 5 waits; process 1 (2, 4), (7, 9)
    left = list(without(iter(stream), Leg(2, 2, 2), groups))
    assert [index for _, index in left] == [5, 0]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(3, 20),
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 6)), min_size=1, max_size=4
    ),
    st.booleans(),
    st.integers(0, 99),
)
def test_every_sample_is_consumed_once_or_left(size, legs, grouped, seed):
    groups = [index % 2 for index in range(size)] if grouped else None
    stream, seen = training_stream(size, seed), []
    for leg in (Leg(*numbers) for numbers in legs):
        before = list(islice(stream, 3000))
        taken = consumed_by(iter(before), leg, groups)
        left = list(without(iter(before), leg, groups))
        assert Counter(taken) + Counter(left) == Counter(before)
        assert left == [sample for sample in before if sample not in set(taken)]
        seen += taken
        stream = iter(left)
    assert max(Counter(seen).values(), default=1) == 1


def test_without_groups_two_processes_go_on_as_one_would_have():
    """Steps of 4 images take the stream in order, whoever takes them."""
    stream = without(training_stream(10, 3), Leg(2, 2, 3))
    stream = without(stream, Leg(1, 4, 2))
    expected = list(islice(training_samples(10, 3), 20, 40))
    assert list(islice(stream, 20)) == expected


def test_repeats_are_kept():
    repeats = np.array([2.0, 1.0, 0.5, 1.0])
    stream = without(training_stream(4, 1, repeats), Leg(2, 1, 2))
    whole = list(islice(training_stream(4, 1, repeats), 24))
    assert list(islice(stream, 20)) == whole[4:]


@pytest.mark.parametrize("leg", [Leg(1, 1, 0), Leg(4, 2, 0)])
def test_a_leg_of_nothing_changes_nothing(leg):
    expected = list(islice(training_stream(5, 0), 7))
    assert list(islice(without(training_stream(5, 0), leg), 7)) == expected
