"""Up to 128 processes in one: torch's fake process group, in which each exchange returns at once.

What is seen: plans, the images of each process, and that a step runs as one of so many. What the
others would send is not there, so nothing is said of values.
"""

from contextlib import contextmanager
from itertools import islice

import pytest
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.testing._internal.distributed.fake_pg import FakeStore

from aligndetr.data import DetectionDataset, build_train_loader
from aligndetr.data.records import Records
from aligndetr.distributed import rank, world_size
from aligndetr.engine.plan import make_plan
from aligndetr.engine.trainer_from_config import build_trainer
from aligndetr.errors import ConfigError

IMAGES = 1000


@contextmanager
def process(index, count):
    """Inside of it this is process `index` of `count`."""
    dist.init_process_group("fake", store=FakeStore(), rank=index, world_size=count)
    try:
        yield
    finally:
        dist.destroy_process_group()


@pytest.fixture(scope="module")
def dataset():
    """Images of two shapes, without pixels."""
    records = [
        {
            "file_name": f"{index}.jpg",
            "image_id": index,
            "height": 480,
            "width": 640 if index % 3 else 360,
            "annotations": [],
        }
        for index in range(IMAGES)
    ]
    return DetectionDataset("many", Records(["thing"], [1], records))


def keep(record, rng):
    """A mapper that reads nothing."""
    return dict(record)


@pytest.mark.parametrize(("processes", "total"), [(64, 128), (128, 128), (128, 512)])
def test_each_image_comes_once_an_epoch_over_all_processes(dataset, processes, total):
    samples, steps = [], 3 * IMAGES // total
    for index in range(processes):
        with process(index, processes):
            assert (rank(), world_size()) == (index, processes)
            loader = build_train_loader(dataset, keep, total, num_workers=0)
            batches = list(islice(loader, steps))
            assert {len(batch) for batch in batches} == {total // processes}
            for batch in batches:
                assert len({item["width"] for item in batch}) == 1
            samples += [item["sample"] for batch in batches for item in batch]
    assert len(samples) == len(set(samples)) == steps * total


@pytest.mark.parametrize("processes", [1, 2, 64, 128])
def test_the_plan_is_that_of_the_total_batch(tiny_config, processes):
    config = tiny_config("dataloader.train.total_batch_size=256", "train.reference_batch_size=16")
    config.train.max_iter, config.train.epochs = None, 12
    plan = make_plan(config, 10_000_000, processes)
    # 12 epochs of 10 million images in steps of 256; learning rates times 256 / 16
    assert (plan.max_iter, plan.lr_factor) == (468750, 16)
    assert plan.loader_batch_size == 256


def test_a_batch_that_cannot_be_divided_is_refused_before_anything_is_read(tiny_config):
    with pytest.raises(ConfigError, match="multiple of 64"):
        make_plan(tiny_config("dataloader.train.total_batch_size=100"), 1000, 64)


@pytest.mark.parametrize("processes", [64, 128])
def test_a_step_as_one_of_many_sends_each_gradient_once(
    tiny_config, toy_detector, toy_loader, processes
):
    config = tiny_config(f"dataloader.train.total_batch_size={4 * processes}")
    sent = []

    def exchange(state, bucket):
        """In place of the sum over all processes, which a fake group cannot give."""
        sent.append(bucket.buffer().nbytes)
        future = torch.futures.Future()
        future.set_result(bucket.buffer())
        return future

    with process(processes - 1, processes):
        model = toy_detector()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        before = model.out.bias.detach().clone()
        plan = make_plan(config, IMAGES, world_size())
        trainer = build_trainer(config, model, toy_loader(), optimizer, plan)
        assert isinstance(trainer.model, DistributedDataParallel)
        trainer.model.register_comm_hook(None, exchange)
        trainer.train(0, 2)
        assert trainer.completed == 2
        assert not torch.equal(model.out.bias, before)
    # weights and biases: 3 * 8 + 8 of the first layer, 8 * 5 + 5 of the second, 4 bytes each
    assert sum(sent) == 2 * (32 + 45) * 4
