"""What the started processes of test_desync.py and test_hang_watch.py do; importable by them."""

import json
import os
import random
import time

import numpy as np
import torch

from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.distributed import all_gather_object, barrier, is_main, rank
from aligndetr.engine.checkpoint import Checkpointer
from aligndetr.engine.hooks import DesyncGuard, Hook, PeriodicCheckpointer
from aligndetr.engine.run import train
from aligndetr.engine.trainer import Trainer
from aligndetr.errors import UserError
from tests.engine.engine_workers import item
from tests.engine.toy import ToyDetector, write_coco


def config_of(folder, *overrides):
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    data = "json_file=boxes.json", "image_root=."
    words = [f"dataloader.{split}.dataset.{x}" for split in ("train", "test") for x in data]
    words += [f"train.output_dir={folder}/run", "train.device=cpu", "train.max_iter=12"]
    words += ["dataloader.train.total_batch_size=2"]
    return LazyConfig.apply_overrides(config, [*words, *overrides])


def error_of(action):
    """(kind, message) of the error, by process."""
    try:
        action()
        own = None
    except UserError as error:
        own = (type(error).__name__, str(error), error.of_all)
    return all_gather_object(own)


def other_length(folder):
    train(config_of(folder, *(["train.max_iter=20"] if rank() else [])))


def other_rate_and_seed(folder):
    train(config_of(folder, *(["optimizer.lr=0.5", "train.seed=3"] if rank() else [])))


def other_data(folder):
    """The same path leads to other files on another machine."""
    own = folder / f"machine_{rank()}"
    own.mkdir()
    write_coco(own)
    if rank() == 1:
        content = json.loads((own / "boxes.json").read_text())
        content["annotations"][0]["bbox"][2] -= 1
        (own / "boxes.json").write_text(json.dumps(content))
    os.chdir(own)
    train(config_of(folder))


class Nudge(Hook):
    """Moves one weight by the least there is, on process 1 after iteration 3."""

    def after_step(self):
        if rank() == 1 and self.trainer.iter == 3:
            with torch.no_grad():
                bias = self.trainer.model.module.out.bias
                bias[2] = torch.nextafter(bias[2], torch.tensor(9.0))


class Slower(Hook):
    def after_step(self):
        if rank() == 1 and self.trainer.iter == 0:
            self.trainer.optimizer.param_groups[0]["lr"] = 0.25


def batches(samples):
    while True:
        yield [{**item(index, 1), "sample": sample} for index, sample in enumerate(samples)]


def guarded(*hooks, samples=None, seed=None, steps=9, folder=None):
    torch.manual_seed(0)
    model = torch.nn.parallel.DistributedDataParallel(ToyDetector())
    own = rank() if seed is None else seed
    for seeded in (torch.manual_seed, random.seed, np.random.seed):
        seeded(own)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    samples = samples or [(0, 2 * rank()), (0, 2 * rank() + 1)]
    trainer = Trainer(model, batches(samples), optimizer)
    trainer.register_hooks([*hooks, DesyncGuard(period=2)])
    if folder:
        trainer.register_hooks([PeriodicCheckpointer(Checkpointer(model, folder), 1)])
    trainer.train(0, steps)
    assert trainer.completed == steps


class Resumed(Hook):
    """Weights of another file than the others'."""

    def before_train(self):
        with torch.no_grad():
            self.trainer.model.module.hidden.weight.add_(rank())


CASES = {
    "undisturbed": lambda folder: guarded(),
    "nudged": lambda folder: guarded(Nudge(), folder=folder / "nudged"),
    "slower": lambda folder: guarded(Slower()),
    "same images": lambda folder: guarded(samples=[(0, 5), (0, 6 + rank())]),
    "same noise": lambda folder: guarded(seed=7),
    "resumed": lambda folder: guarded(Resumed()),
    "longer": lambda folder: guarded(steps=9 + rank()),
    "other length": other_length,
    "other rate and seed": other_rate_and_seed,
    "other data": other_data,
}


def main(folder):
    """Errors of both processes by case."""
    (folder / "nudged").mkdir(exist_ok=True)
    barrier()
    errors = {name: error_of(lambda case=case: case(folder)) for name, case in CASES.items()}
    if is_main():
        torch.save(errors, folder / "errors.pth")


def sleep_in_the_loader():
    time.sleep(600)


def one_sleeps():
    """Process 1 does not come to the second barrier."""
    barrier()
    if rank() == 1:
        sleep_in_the_loader()
    barrier()
