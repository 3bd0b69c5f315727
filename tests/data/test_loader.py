import atexit
import logging
import multiprocessing
import os
import random
import signal
import subprocess
import time
from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from aligndetr.data import DetrMapper, build_test_loader, build_train_loader, load_dataset
from aligndetr.data import augmentation as T
from aligndetr.data.worker_signals import dead_workers_named, obey_only_main
from aligndetr.data.workers import BatchReader
from aligndetr.errors import CheckpointError, DataError
from tests.data.batches import STEPS, content, take, train_loader

# Ids 1..9, every third one higher than wide; one box each, but for the last image.
IMAGES = [(i, (40, 30) if i % 3 == 0 else (30, 40 + i)) for i in range(1, 10)]
BOXES = [{"image_id": i, "category_id": 1, "bbox": [i, 2, 8, 9]} for i in range(1, 9)]


@pytest.fixture
def dataset(coco_folder):
    return load_dataset("tiny", *coco_folder(IMAGES, BOXES))


def test_batches_do_not_depend_on_the_number_of_workers(dataset):
    expected = take(train_loader(dataset, 0), 12)
    assert take(train_loader(dataset, 2), 12) == expected
    assert take(train_loader(dataset, seed=6), 12) != expected


@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 0)])
def test_a_restored_loader_goes_on_with_the_next_batch(dataset, before, after):
    expected = take(train_loader(dataset), 17)
    loader = train_loader(dataset, before)
    take(loader, 7)  # with workers, more than that is read ahead
    state = loader.state_dict()
    fresh = train_loader(dataset, after, seed=0)
    fresh.load_state_dict(state)
    assert take(fresh, 10) == expected[7:]
    assert fresh.state_dict()["consumed"] == 17


def test_workers_obey_the_main_process_alone(dataset):
    expected = take(train_loader(dataset), 40)
    batches = iter(train_loader(dataset, 2))
    got = [content(next(batches))]
    workers = multiprocessing.active_children()
    for number in (signal.SIGINT, signal.SIGTERM):
        for worker in workers:  # from another process, as those of a terminal or batch system
            subprocess.run(["kill", f"-{number}", str(worker.pid)], check=True)
    got += [content(batch) for batch in islice(batches, 39)]
    assert got == expected
    for worker in workers:
        worker.terminate()  # this process ends them
        worker.join(10)
        assert worker.exitcode == 0


DEAD = r"a loading process \(pid {}\) died.*for want of memory or shared.*num_workers"


class Killed(DetrMapper):
    """What the system does to a loading process when memory runs out."""

    def __call__(self, record, rng):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_loading_process_that_dies_is_named(dataset):
    loader = build_train_loader(dataset, Killed(STEPS), 2, 1)
    with pytest.raises(DataError, match=DEAD.format(r"\d+")):
        next(iter(loader))


def test_a_loading_process_that_dies_meanwhile_is_named(dataset):
    """torch tells at once, not when the next batch is wanted."""
    batches = iter(train_loader(dataset, 1))
    next(batches)
    [worker] = multiprocessing.active_children()
    with pytest.raises(DataError, match=DEAD.format(worker.pid)):  # noqa: PT012
        worker.kill()
        time.sleep(30)


def test_handlers_are_laid_over_each_other_once(dataset):
    take(train_loader(dataset, 1), 1)
    handler = signal.getsignal(signal.SIGCHLD)
    take(train_loader(dataset, 1), 1)
    assert signal.getsignal(signal.SIGCHLD) is handler


def test_other_errors_of_torch_pass():
    with pytest.raises(RuntimeError, match="shapes"), dead_workers_named():
        raise RuntimeError("shapes differ")


def test_iterating_again_goes_on(dataset):
    expected = take(train_loader(dataset), 6)
    loader = train_loader(dataset)
    assert take(loader, 2) + take(loader, 4) == expected


def test_other_images_are_reported_and_the_position_kept(dataset, caplog):
    loader = train_loader(dataset)
    take(loader, 6)
    other = build_train_loader(dataset.random_subset(5), DetrMapper(STEPS), 4, 0)
    with caplog.at_level(logging.WARNING):
        other.load_state_dict(loader.state_dict())
    assert "changed: total_batch_size 2 -> 4, num_images 9 -> 5" in caplog.text
    assert (other.consumed, other.legs) == (3, [])  # 6 * 2 / 4


@pytest.mark.parametrize("grouping", [True, False])
def test_processes_may_come_and_go(dataset, monkeypatch, caplog, grouping):
    """Two processes, then one, then three: 8 + 10 + 15 + ... images, each once in its epoch."""
    seen, state = Counter(), None
    for processes, total, batches in ((2, 4, 2), (1, 2, 5), (3, 3, 5), (2, 4, 4)):
        for rank in range(processes):
            as_process(monkeypatch, rank, processes)
            loader = build_train_loader(
                dataset, DetrMapper(STEPS), total, 0, aspect_ratio_grouping=grouping, seed=5
            )
            if state:
                loader.load_state_dict(state)
            seen.update(item["sample"] for batch in islice(loader, batches) for item in batch)
        state = loader.state_dict()
    assert sum(seen.values()) == 8 + 10 + 15 + 16
    assert max(seen.values()) == 1
    first = [index for epoch, index in seen if epoch == 0]
    assert sorted(first) == list(range(9))
    assert "not exactly" not in caplog.text
    assert state["legs"] == [[2, 2, 2], [1, 2, 5], [3, 1, 5]]


@pytest.mark.parametrize("name", ["consumed", "seed", "total_batch_size"])
@pytest.mark.parametrize("value", ["x", None, -1, 1.5, 10**30])
def test_a_state_that_counts_nothing_is_refused(dataset, name, value):
    loader = train_loader(dataset)
    with pytest.raises(CheckpointError, match=f"its {name} is "):
        loader.load_state_dict({**loader.state_dict(), name: value})
    assert loader.consumed == 0


def test_a_leg_that_counts_nothing_is_refused(dataset):
    loader = train_loader(dataset)
    with pytest.raises(CheckpointError, match="its legs is -2"):
        loader.load_state_dict({**loader.state_dict(), "legs": [[1, 2, -2]]})


def test_wide_and_high_images_do_not_share_a_batch(dataset):
    loader = train_loader(dataset)
    for batch in islice(loader, 20):
        assert len({item["width"] > item["height"] for item in batch}) == 1
    ungrouped = train_loader(dataset, aspect_ratio_grouping=False)
    first_epoch = [item["image_id"] for batch in islice(ungrouped, 4) for item in batch]
    assert len(set(first_epoch)) == 8


def test_an_image_is_augmented_differently_in_every_epoch(dataset):
    loader = build_train_loader(dataset, DetrMapper(STEPS), 1, 0)
    seen = [content(batch)[0] for batch in islice(loader, 18)]
    assert len({identity for identity, *_ in seen}) == 9
    assert len(set(seen)) == 18


@pytest.mark.parametrize("workers", [0, 1])
def test_global_random_state_is_left_alone(dataset, workers):
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    take(train_loader(dataset, workers), 3)
    list(build_test_loader(dataset, DetrMapper([], is_train=False), 2, workers))
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])
    assert torch.equal(torch.get_rng_state(), states[2])


def as_process(monkeypatch, rank, world_size):
    monkeypatch.setattr("aligndetr.data.loader.rank", lambda: rank)
    monkeypatch.setattr("aligndetr.data.loader.world_size", lambda: world_size)


def test_processes_divide_the_batch(dataset, monkeypatch):
    parts = []
    for rank in range(2):
        as_process(monkeypatch, rank, 2)
        loader = build_train_loader(
            dataset, DetrMapper(STEPS), 4, 0, aspect_ratio_grouping=False, seed=5
        )
        parts.append([item["image_id"] for b in islice(loader, 2) for item in b])
    as_process(monkeypatch, 0, 1)
    loader = train_loader(dataset, aspect_ratio_grouping=False)
    stream = [item["image_id"] for b in islice(loader, 4) for item in b]
    assert parts == [stream[0::2], stream[1::2]]


def test_an_indivisible_batch_is_refused(dataset, monkeypatch):
    as_process(monkeypatch, 0, 3)
    with pytest.raises(DataError, match="total_batch_size=4 cannot be divided among 3 processes"):
        build_train_loader(dataset, DetrMapper(STEPS), 4)


def test_evaluation_sees_each_image_once_over_all_processes(dataset, monkeypatch):
    for world_size in (1, 2, 4, 11):
        seen = []
        for rank in range(world_size):
            as_process(monkeypatch, rank, world_size)
            loader = build_test_loader(dataset, DetrMapper([], is_train=False), 2, 0)
            batches = list(loader)
            assert len(batches) == len(loader)
            seen += [item["image_id"] for batch in batches for item in batch]
        assert sorted(seen) == list(range(1, 10))


def test_evaluation_batches_need_no_padding_unless_asked(dataset):
    mapper = DetrMapper([T.ResizeShortestEdge(20)], is_train=False)
    grouped = build_test_loader(dataset, mapper, 4, 0)
    assert all(len({item["image"].shape for item in batch}) == 1 for batch in grouped)
    mixed = list(build_test_loader(dataset, mapper, 4, 0, group_by_size=False))
    assert [[item["image_id"] for item in b] for b in mixed] == [[1, 2, 3, 4], [5, 6, 7, 8], [9]]


def break_image(dataset, index):
    with open(dataset[index]["file_name"], "wb") as file:
        file.write(b"no image")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_stops_with_its_name_and_without_a_traceback(dataset, workers):
    break_image(dataset, 4)
    with pytest.raises(DataError) as error:
        take(train_loader(dataset, workers), 9)
    assert "5.png" in str(error.value)
    assert "Traceback" not in str(error.value)


@pytest.mark.parametrize("workers", [0, 1])
def test_broken_images_are_skipped_and_counted_when_asked(dataset, workers, caplog):
    break_image(dataset, 4)
    mapper = DetrMapper(STEPS, skip_broken_images=True)
    loader = build_train_loader(dataset, mapper, 2, workers, seed=5)
    with caplog.at_level(logging.WARNING):
        batches = list(islice(loader, 18))  # four epochs
    assert all(len(batch) == 2 for batch in batches)
    assert 5 not in {item["image_id"] for batch in batches for item in batch}
    assert len(loader.skipped) == 1
    assert caplog.text.count("skipped a broken image (1 so far)") == 1
    mapper = DetrMapper([], is_train=False, skip_broken_images=True)
    test_loader = build_test_loader(dataset, mapper, 1, workers)
    assert [item["image_id"] for batch in test_loader for item in batch].count(5) == 0
    assert len(test_loader.skipped) == 1


def test_nothing_but_broken_images_is_an_error(dataset):
    for index in range(9):
        break_image(dataset, index)
    loader = build_train_loader(dataset, DetrMapper(STEPS, skip_broken_images=True), 2, 0)
    with pytest.raises(DataError, match="20 broken images in a row"):
        next(iter(loader))


def test_a_seed_nobody_chose_travels_with_the_state(dataset):
    first, second = train_loader(dataset, seed=-1), train_loader(dataset, seed=None)
    assert first.state_dict()["seed"] != second.state_dict()["seed"]
    expected = take(first, 4)
    second.load_state_dict({**first.state_dict(), "consumed": 0})
    assert take(second, 4) == expected


def test_spawned_workers_read_the_same(dataset):
    reader = BatchReader(dataset, DetrMapper(STEPS), 5, replace_broken=True)
    samples = [(0, [(0, 3), (0, 1)]), (0, [(1, 3), (1, 8)])]
    loader = DataLoader(
        reader, sampler=samples, batch_size=None, collate_fn=list, num_workers=1,
        multiprocessing_context="spawn",
    )  # fmt: skip
    read = [content(items) for items, _, _ in loader]
    assert read == [content(reader[sample].items) for sample in samples]


def _worker_with_an_end(file):
    atexit.register(file.touch)  # stands for all that an interpreter does when it ends
    obey_only_main(0)


def test_a_spawned_worker_ends_at_once(tmp_path):
    # else torch's thread that sends batches now and then aborts: "terminate called without ..."
    ended = tmp_path / "ended"
    worker = multiprocessing.get_context("spawn").Process(target=_worker_with_an_end, args=(ended,))
    worker.start()
    worker.join(60)
    assert worker.exitcode == 0
    assert not ended.exists()
