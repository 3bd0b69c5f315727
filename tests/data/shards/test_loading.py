"""Shards in the loaders: the same batches as from files, or an order that reads them in turn."""

import itertools
from collections import Counter
from itertools import islice

import numpy as np
import pytest

from aligndetr.data import DetrMapper, build_test_loader, build_train_loader, load_dataset
from aligndetr.data import augmentation as T
from aligndetr.data.samplers import Nearby, training_samples
from aligndetr.errors import DataError
from tests.data.batches import STEPS, take, train_loader
from tests.data.shards.conftest import NUMBER


def as_process(monkeypatch, rank, world_size):
    monkeypatch.setattr("aligndetr.data.loader.rank", lambda: rank)
    monkeypatch.setattr("aligndetr.data.loader.world_size", lambda: world_size)


def test_batches_are_those_of_the_files(files, dataset):
    loose = load_dataset("files", *files)
    assert take(train_loader(dataset), 12) == take(train_loader(loose), 12)
    mixed = [T.Mosaic(32), *STEPS]
    both = [
        take(build_train_loader(data, DetrMapper(mixed), 2, 0, seed=5), 6)
        for data in (dataset, loose)
    ]
    assert both[0] == both[1]


@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 0), (2, 1)])
def test_a_restored_loader_goes_on_in_the_middle_of_a_shard(dataset, before, after):
    expected = take(train_loader(dataset, shuffle_buffer=3), 17)
    loader = train_loader(dataset, before, shuffle_buffer=3)
    take(loader, 7)
    fresh = train_loader(dataset, after, seed=0, shuffle_buffer=3)
    fresh.load_state_dict(loader.state_dict())
    assert take(fresh, 10) == expected[7:]


def test_a_changed_buffer_is_said(dataset, caplog):
    state = train_loader(dataset, shuffle_buffer=3).state_dict()
    train_loader(dataset).load_state_dict(state)
    assert "shuffle_buffer 3 -> 0" in caplog.text


def test_a_buffer_without_shards_is_refused(files):
    loose = load_dataset("files", *files)
    with pytest.raises(DataError, match=r"shuffle_buffer=100.* not made of"):
        train_loader(loose, shuffle_buffer=100)


@pytest.mark.parametrize("sizes", [(2, 1, 2), (1, 2), (3, 1), (2, 3)])
def test_each_image_comes_once_an_epoch_when_the_number_of_processes_changes(
    dataset, monkeypatch, sizes
):
    """Twelve images a step; of ten in an epoch, 60 are five steps and six epochs."""
    seen, states = Counter(), None
    for world_size, steps in zip(sizes, (2, 2, 1) if len(sizes) == 3 else (2, 3), strict=True):
        loaders = []
        for rank in range(world_size):
            as_process(monkeypatch, rank, world_size)
            loaders.append(
                build_train_loader(dataset, DetrMapper([]), 12, 0, False, seed=5, shuffle_buffer=3)
            )
        for loader in loaders:
            if states:
                loader.load_state_dict(states)
            batches = list(islice(loader, steps))
            seen.update(item["image_id"] for batch in batches for item in batch)
            assert all(len(batch) == 12 // world_size for batch in batches)
        states = loaders[0].state_dict()
    assert seen == dict.fromkeys(range(1, NUMBER + 1), 6)


def epochs(nearby, size, number, world_size):
    """Of each process: indices of its part of so many epochs."""
    parts = []
    for rank in range(world_size):
        stream = training_samples(size, 3, rank, world_size, nearby=nearby)
        kept = []
        for epoch, index in stream:
            if epoch >= number:
                break
            kept.append((epoch, index))
        parts.append(kept)
    return parts


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_processes_read_their_own_shards_and_each_image_once(world_size):
    """103 images in 11 shards of 10, the last of 3; a cut may go through a shard."""
    shards, places = np.arange(103) // 10, np.arange(103) % 10
    nearby = Nearby(shards, places, buffer=4, lanes=world_size)
    parts = epochs(nearby, 103, 4, world_size)
    for epoch in range(4):
        own = [[index for e, index in part if e == epoch] for part in parts]
        assert sorted(itertools.chain(*own)) == list(range(103))
        assert max(map(len, own)) - min(map(len, own)) <= 1
        read = [len(set(shards[indices])) for indices in own]
        assert sum(read) <= 11 + world_size - 1  # W - 1 cuts
    if world_size > 1:
        assert max(read) < 11


def test_an_image_moves_by_less_than_the_buffer():
    """One lane, two shards of 50: before the buffer, one is 0..49 and the other 50..99."""
    shards, places = np.repeat([0, 1], 50), np.tile(np.arange(50), 2)
    nearby = Nearby(shards, places, buffer=8, lanes=1)
    seen = set()
    for epoch in range(6):
        order = nearby.order(np.arange(100), np.random.default_rng(epoch))
        first = 0 if order[20] < 50 else 50
        row = np.concatenate([np.arange(50) + first, np.arange(50) + 50 - first])
        moved = np.argsort(order)[row] - np.arange(100)
        assert np.abs(moved).max() < 8
        assert np.abs(moved).max() > 2
        seen.add(first)
    assert seen == {0, 50}  # shards come in another order, too
    alone = Nearby(shards, places, buffer=1, lanes=1).order(np.arange(100), np.random.default_rng())
    assert np.abs(np.diff(alone)).max() in (1, 99)


def test_lanes_take_turns():
    """Shards 0 and 1 of three images; two lanes of three; a buffer of one moves nothing."""
    nearby = Nearby(np.repeat([0, 1], 3), np.array([2, 0, 1, 0, 1, 2]), buffer=1, lanes=2)
    rng = np.random.default_rng(0)
    swapped = np.random.default_rng(0).permutation(2)[0] == 1
    row = [1, 2, 0], [3, 4, 5]
    first, second = row[::-1] if swapped else row
    expected = [first[0], second[0], first[1], second[1], first[2], second[2]]
    assert nearby.order(np.arange(6), rng).tolist() == expected


def test_evaluation_sees_each_image_once(dataset, monkeypatch):
    seen = []
    for rank in range(3):
        as_process(monkeypatch, rank, 3)
        loader = build_test_loader(dataset, DetrMapper([], is_train=False), 2, 0)
        seen += [item["image_id"] for batch in loader for item in batch]
    assert sorted(seen) == list(range(1, NUMBER + 1))
