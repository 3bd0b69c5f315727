"""What the started processes of test_distributed.py do; importable by them."""

import os
import signal
import time

import numpy as np
import torch
from omegaconf import OmegaConf

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.distributed import all_gather_object, barrier, rank, world_size
from aligndetr.engine.checkpoint import Checkpointer
from aligndetr.engine.earlier_runs import choose_run_folder
from aligndetr.engine.hooks import (
    EvalHook,
    Hook,
    Interruption,
    PeriodicCheckpointer,
    ValidationLoss,
)
from aligndetr.engine.model import distribute
from aligndetr.engine.precision import Precision
from aligndetr.engine.random_state import RandomState
from aligndetr.engine.trainer import Trainer
from aligndetr.errors import ConfigError, DataError, TrainingError
from aligndetr.evaluation.cut import cut
from aligndetr.structures import Boxes, Instances


def item(index, objects):
    rng = np.random.default_rng(index)
    start, size = rng.uniform(0, 20, (objects, 2)), rng.uniform(8, 20, (objects, 2))
    boxes = torch.tensor(np.concatenate([start, start + size], axis=1), dtype=torch.float32)
    classes = torch.tensor(rng.integers(0, 3, objects), dtype=torch.int64)
    pixels = torch.from_numpy(rng.integers(0, 256, (3, 48, 64), dtype=np.uint8))
    instances = Instances((48, 64), gt_boxes=Boxes(boxes), gt_classes=classes)
    return {"image": pixels, "height": 48, "width": 64, "image_id": index, "instances": instances}


def batches_of(counts):
    """A batch per process from the numbers of objects of its images."""
    offsets = np.cumsum([0, *map(len, counts)])
    return [
        [item(int(first) + i, n) for i, n in enumerate(numbers)]
        for first, numbers in zip(offsets, counts, strict=False)
    ]


def tiny_model(*overrides):
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    common = ["model.num_classes=3", "model.backbone.norm=FrozenBN", "model.decoder.num_layers=2"]
    common += ["model.criterion.match_num=[2,2,1]", "model.denoiser.num_queries=4"]
    LazyConfig.apply_overrides(config, [*common, *overrides])
    torch.manual_seed(0)
    return instantiate(config.model)


WITHOUT = ["model.denoiser=null"]
NOISELESS = ["model.denoiser.label_noise_ratio=0", "model.denoiser.box_noise_scale=0"]
# name -> (overrides, objects of each image by process)
CASES = {
    "without_denoising": (WITHOUT, [[3, 1], [2, 0]]),
    "an_empty_process": (WITHOUT, [[3, 1], [0, 0]]),
    "nothing_at_all": (WITHOUT, [[0, 0], [0, 0]]),
    "noiseless_equal_groups": (NOISELESS, [[2, 1], [2, 2]]),
}


class Gradients(Hook):
    """Keeps the gradients of the last step."""

    def after_backward(self):
        parameters = self.trainer.model.named_parameters()
        self.values = {
            name.removeprefix("module."): p.grad.clone()
            for name, p in parameters
            if p.grad is not None
        }


def gradients_of(model, batches, **arguments):
    """Gradients and recorded losses of one step."""
    kept = Gradients()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    trainer = Trainer(model, iter(batches), optimizer, **arguments)
    trainer.register_hooks([kept])
    trainer.train(0, 1)
    losses = {name: value for name, (value, _) in trainer.storage.latest().items()}
    return kept.values, losses


def distributed_gradients(overrides, counts):
    model = torch.nn.parallel.DistributedDataParallel(tiny_model(*overrides))
    return gradients_of(model, [batches_of(counts)[rank()]])


def same_set_of_gradients():
    """With noise and an empty process; an unequal set would make the average hang or fail."""
    torch.manual_seed(rank())
    gradients, _ = distributed_gradients([], [[3, 1], [0, 0]])
    first, second = all_gather_object(sorted(gradients))
    return first == second


def accumulated():
    """Two micro-batches on each process."""
    model = torch.nn.parallel.DistributedDataParallel(tiny_model(*WITHOUT))
    parts = batches_of([[3], [1], [2], [0]])
    return gradients_of(model, parts[2 * rank() : 2 * rank() + 2], accumulation_steps=2)


def compressed(name):
    """Gradients that travelled in another precision; or the error."""
    words = {"train": {"ddp": {"gradient_compression": name}}}
    try:
        model = distribute(tiny_model(*WITHOUT), OmegaConf.create(words), torch.device("cpu"))
    except ConfigError as error:
        return str(error)
    return gradients_of(model, [batches_of([[3, 1], [2, 0]])[rank()]])


class OneNumber(torch.nn.Module):
    """Its loss is its weight times what it is given."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, batch, num_boxes):
        return {"loss": self.weight * batch[0]["factor"]}


def scaled(factors):
    """Steps with loss scaling, in which this process alone has these factors, and others 1.

    Returns:
        The weight after each step, the scale at the end, and what stopped the training.
    """
    model = torch.nn.parallel.DistributedDataParallel(OneNumber())
    precision = Precision(torch.device("cpu"))
    precision.scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    batches = [[{"factor": factor if rank() == 1 else 1.0}] for factor in factors]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.25)
    trainer = Trainer(model, iter(batches), optimizer, precision=precision)
    weights, stopped = [], None
    for step in range(len(factors)):
        try:
            trainer.train(step, step + 1)
        except TrainingError as error:
            stopped = str(error)
        weights.append(model.module.weight.item())
    return weights, precision.scaler.get_scale(), stopped


class StopOne(Hook):
    def before_step(self):
        if rank() == 1 and self.trainer.iter == 2:
            self.trainer.stop("process 1 has had enough")


def stopped_together(folder):
    """One process asks to stop; both save, evaluate and end together."""
    model = torch.nn.parallel.DistributedDataParallel(tiny_model(*WITHOUT))
    batch = [item(rank(), 1)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    trainer = Trainer(model, iter([batch] * 9), optimizer)
    saver = Checkpointer(model, folder, random_state=RandomState())
    evaluation = EvalHook(2, lambda last: {"bbox": {"AP": 7.0}} if rank() == 0 else {})
    validation = ValidationLoss(2, [batch])
    hooks = [StopOne(), evaluation, validation, PeriodicCheckpointer(saver, 0)]
    trainer.register_hooks(hooks)
    trainer.train(0, 9)
    loss = trainer.storage.last("validation_loss")[0]
    return [trainer.completed, trainer.storage.last("bbox/AP"), loss]


def cut_together(folder):
    """A signal to one process in the middle of an evaluation, of which the others see all."""
    model = torch.nn.parallel.DistributedDataParallel(tiny_model(*WITHOUT))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    trainer = Trainer(model, iter([[item(rank(), 1)]] * 9), optimizer)

    def evaluate(last):
        for seen in cut.until_asked(range(3)):
            if rank() == 1 and seen == 1:
                os.kill(os.getpid(), signal.SIGTERM)
        return {"bbox": {"AP": 1.0}}

    saver = Checkpointer(model, folder, random_state=RandomState(), hooks=trainer)
    interruption = Interruption()
    hooks = [EvalHook(2, evaluate), PeriodicCheckpointer(saver, 0), interruption]
    trainer.register_hooks(hooks)
    trainer.train(0, 9)
    return [trainer.completed, interruption.exit_code]


def folder_chosen_together(folder):
    """The used folder gives another one, which rank 0 fills at once, before others look."""
    (folder / "used").mkdir(parents=True, exist_ok=True)
    (folder / "used" / "metrics.json").write_text("")
    barrier()
    if rank() == 1:
        time.sleep(0.5)
    config = OmegaConf.create({"train": {"output_dir": str(folder / "used")}})
    chosen, _ = choose_run_folder(config)
    (chosen / "metrics.json").write_text("")
    return config.train.output_dir


def main(folder):
    assert world_size() == 2
    chosen = all_gather_object(folder_chosen_together(folder))
    results = {name: distributed_gradients(*case) for name, case in CASES.items()}
    results["accumulated"] = accumulated()
    results["compressed"] = {name: compressed(name) for name in ("fp16", "bf16")}
    results["overflow"] = all_gather_object(scaled([3e38, 1.0]))
    results["nan"] = all_gather_object(scaled([float("nan")]))
    results["same_set"] = same_set_of_gradients()
    results["stopped"] = all_gather_object(stopped_together(folder))
    results["chosen"] = chosen
    results["cut"] = all_gather_object(cut_together(folder / "cut"))
    if rank() == 0:
        torch.save(results, folder / "results.pth")
    torch.distributed.barrier()
    if rank() == 1:
        raise DataError("only this process has a broken image")


def killed():
    """One process is gone, another waits for it."""
    if rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    torch.distributed.barrier()
