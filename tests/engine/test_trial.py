"""What a trial of some steps says is what the training then takes."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest
import torch

from aligndetr.config import LazyConfig
from aligndetr.engine.memory import peak_bytes
from aligndetr.engine.proposals import predict
from aligndetr.engine.run import train
from aligndetr.engine.trial import padded_pixels, try_apart, try_steps

MIB = 2**20


def read(path):
    return LazyConfig.load(path)


def trained_apart(path):
    """The peak memory of a process that trains, evaluates and saves."""
    train(read(path))
    return peak_bytes(torch.device("cpu"))


@pytest.fixture
def saved(tiny_config, tmp_path):
    def save(*overrides):
        path = tmp_path / "config.yaml"
        LazyConfig.save(tiny_config(*overrides), path)
        return path

    return save


def test_the_prediction_is_what_the_training_takes(saved):
    path = saved("dataloader.image_size=240", "dataloader.train.total_batch_size=8")
    trials = [try_apart(partial(read, path), (), size, 8 // size) for size in (1, 2, 4)]
    predicted = predict(trials, 8)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        peak = pool.submit(trained_apart, path).result()
    assert predicted.pixels == 8 * 240 * 320
    assert predicted.peak == pytest.approx(peak, rel=0.1)
    # most of it is no constant that any prediction would meet
    assert peak - trials[0].peak > 0.2 * peak


def test_a_batch_is_as_large_as_its_padding():
    images = [{"image": torch.zeros(3, 10, 40)}, {"image": torch.zeros(3, 20, 30)}]
    assert padded_pixels(images) == 2 * 20 * 40


def test_the_largest_and_the_most_crowded_are_tried(saved, monkeypatch):
    """Of the ten images 1, 2, ... have 1, 2, 3, 0, 1, 2, 3, ... objects: three at most."""
    from aligndetr.engine import trial as module

    seen = []
    build = module.build_trainer

    def spy(config, model, loader, optimizer, plan):
        seen.extend(loader)
        return build(config, model, loader, optimizer, plan)

    monkeypatch.setattr(module, "build_trainer", spy)
    path = saved("dataloader.train.mapper.augmentation.2.short_edge_length=[48,72]")
    done = try_steps(partial(read, path), ("train.amp.enabled=true",), 1, 2)
    assert len(seen) == 2 * module.NUM_BATCHES  # each in two parts
    assert len(seen[2][0]["instances"]) == 3
    assert seen[0] is seen[-1]
    largest = max(map(padded_pixels, seen))
    assert (done.pixels, padded_pixels(seen[0])) == (largest, largest)
    assert done.batch_size == 1
    assert done.seconds > 0


def test_typical_steps_come_from_all_over_the_training():
    """Eight batches, the first four of a stage of smaller images: one of each is timed."""
    from aligndetr.engine.trial import _choose

    drawn = [[{"image": torch.zeros(3, 20, 10 * side)}] for side in (1, 2, 1, 2, 5, 6, 5, 4)]
    chosen, pixels = _choose(iter(drawn), len(drawn), None)
    assert [batch[0]["image"].shape[2] for batch in chosen] == [60, 60, 10, 50, 60]
    assert pixels == 20 * 60
