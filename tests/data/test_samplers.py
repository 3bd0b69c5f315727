from collections import Counter
from itertools import chain, islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligndetr.data.samplers import (
    equal_size_batches,
    evaluation_part,
    training_batches,
    training_samples,
)


def test_every_epoch_has_every_image_once_in_another_order():
    stream = list(islice(training_samples(10, seed=3), 30))
    assert [epoch for epoch, _ in stream] == [0] * 10 + [1] * 10 + [2] * 10
    orders = [[index for epoch, index in stream if epoch == e] for e in range(3)]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert orders[0] != orders[1]
    assert orders[0] != sorted(orders[0])
    other = [index for _, index in islice(training_samples(10, seed=4), 10)]
    assert other != orders[0]


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 3))
def test_processes_share_one_stream(size, world_size, seed):
    joint = list(islice(training_samples(size, seed), 3 * world_size * 7))
    for rank in range(world_size):
        own = list(islice(training_samples(size, seed, rank, world_size), 3 * 7))
        assert own == joint[rank::world_size]


def test_an_empty_dataset_has_no_samples():
    with pytest.raises(ValueError, match="empty dataset"):
        next(training_samples(0))


def test_batches_stay_within_groups_and_lose_nothing():
    groups = [0, 1, 1, 0, 1, 0, 1]
    batches = list(islice(training_batches(training_samples(7, 1), 3, groups), 14))
    assert all(len({groups[i] for _, i in batch}) == 1 for batch in batches)
    assert all(len(batch) == 3 for batch in batches)
    # 14 batches of 3 are 42 of the first 42 + 2 * 2 samples: what waits is at most 2 a group.
    counts = Counter(chain.from_iterable(batches))
    assert max(counts.values()) == 1
    first = set(islice(training_samples(7, 1), 42 + 4))
    assert set(counts) <= first


def test_batches_go_on_from_any_position():
    groups = [0, 1, 1, 0, 1, 0, 1]
    complete = list(islice(training_batches(training_samples(7, 1), 2, groups), 20))
    for start in (0, 1, 9):
        later = training_batches(training_samples(7, 1), 2, groups)
        assert list(islice(later, start, 20)) == complete[start:]


def test_without_groups_batches_are_the_stream():
    stream = list(islice(training_samples(5, 2), 12))
    batches = list(islice(training_batches(training_samples(5, 2), 4), 3))
    assert list(chain.from_iterable(batches)) == stream


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(1, 9))
def test_inference_parts_are_contiguous_complete_and_even(size, world_size):
    parts = [evaluation_part(size, rank, world_size) for rank in range(world_size)]
    assert list(chain.from_iterable(parts)) == list(range(size))
    lengths = [len(part) for part in parts]
    assert max(lengths) - min(lengths) <= 1


def test_evaluation_batches_hold_equal_sizes():
    sizes = np.array([[4, 6], [6, 4], [4, 6], [4, 6], [9, 9]])
    batches = equal_size_batches(range(5), sizes, 2)
    assert batches == [[(0, 0), (0, 2)], [(0, 3)], [(0, 1)], [(0, 4)]]
    assert equal_size_batches([], sizes, 2) == []
