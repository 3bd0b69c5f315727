"""What the started processes of test_sharding.py do; importable by them."""

import copy

import torch

from aligndetr.distributed import all_gather_object, rank, world_size
from aligndetr.engine.hooks import EMAHook, ModelEMA, PeriodicCheckpointer
from aligndetr.engine.hooks.base import Hook
from aligndetr.engine.sharded_checkpoint import ShardedCheckpointer
from aligndetr.engine.sharding import Sharding
from aligndetr.engine.trainer import Trainer
from aligndetr.errors import UserError
from tests.engine.engine_workers import WITHOUT, item, tiny_model

IMAGES = 6  # of a step, whatever the number of processes
CLIP = {"max_norm": 0.1, "norm_type": 2.0}


def batches(first):
    """Of this process: the same images every time, dealt out in turn."""
    items = [item(index, 1 + index % 3) for index in range(IMAGES)]
    own = items[rank() :: world_size()]
    while True:
        yield own


class Losses(Hook):
    """Keeps what a step records."""

    def before_train(self):
        self.values = []

    def after_step(self):
        latest = self.trainer.storage.latest()
        self.values.append([latest["total_loss"][0], latest["grad_norm"][0]])


class Training:
    """A tiny AlignDETR with AdamW, clipping and an average."""

    def __init__(self, kind, folder, **arguments):
        model = tiny_model(*WITHOUT)
        self.ema = ModelEMA(model, 0.9)
        self.sharding = None
        if kind == "sharded":
            self.sharding = Sharding({"model": model, "ema": self.ema.module})
        groups = [{"params": list(model.parameters()), "lr": 1e-3}]
        # with eps = 1e-8 Adam makes steps out of gradients that are nothing but rounding
        optimizer = torch.optim.AdamW(groups, weight_decay=0.01, eps=1e-5)
        wrapped = model
        if kind == "replicated" and world_size() > 1:
            wrapped = torch.nn.parallel.DistributedDataParallel(model)
        self.trainer = Trainer(wrapped, batches(0), optimizer, clip_grad=CLIP, **arguments)
        self.losses = Losses()
        hooks = [EMAHook(self.ema), self.losses]
        self.saver = None
        if self.sharding:
            self.saver = ShardedCheckpointer(
                self.sharding, optimizer, folder, max_to_keep=2, hooks=self.trainer
            )
            hooks.append(PeriodicCheckpointer(self.saver, 2))
        self.trainer.register_hooks(hooks)

    def weights(self):
        """Of model and average, as a whole."""
        if self.sharding is None:
            model = getattr(self.trainer.model, "module", self.trainer.model)
            models = {"model": model, "ema": self.ema.module}
            return {name: dict(m.state_dict()) for name, m in models.items()}
        with self.sharding.gathered():
            return copy.deepcopy(
                {name: dict(m.state_dict()) for name, m in self.sharding.whole.items()}
            )


def part_of_all(model):
    """How much of a sharded model this process holds."""
    own = sum(p.to_local().numel() for p in model.parameters())
    return own / sum(p.numel() for p in model.parameters())


def refused(saver):
    """A weight of the last process alone is no number."""
    if rank() == world_size() - 1:
        with torch.no_grad():
            next(saver.model.parameters()).to_local().fill_(float("nan"))
    try:
        saver.save("model_bad", 9)
    except UserError as error:
        return str(error)


def failed(saver, folder):
    """The disk refuses."""
    saver.save_dir = folder / "file" / "below"
    try:
        saver.save("model_0000009", 9)
        saver.finish()
    except UserError as error:
        return str(error)


def first_leg(folder):
    """Two processes: replicated and sharded beside each other, then four sharded steps saved."""
    results = {}
    for kind in ("replicated", "sharded"):
        training = Training(kind, folder / kind)
        training.trainer.train(0, 4)
        results[kind] = training.losses.values, training.weights()
    parts = all_gather_object(part_of_all(training.trainer.model))
    for kind in ("replicated", "sharded"):
        accumulated = Training(kind, folder / f"{kind}_accumulated", accumulation_steps=2)
        accumulated.trainer.train(0, 2)
        results[f"{kind}_accumulated"] = accumulated.losses.values, accumulated.weights()
    messages = failed(training.saver, folder)
    training.saver.save_dir = folder / "sharded"
    results |= {"parts": parts, "failed": messages, "refused": refused(training.saver)}
    if rank() == 0:
        torch.save(results, folder / "first.pth")


def resumed(folder, name, until):
    """Losses, weights and iteration of a training that goes on from a checkpoint."""
    from aligndetr.checkpoint_file import read_rest

    training = Training("sharded", folder)
    path = folder / f"{name}.dcp"
    content = training.saver.restore(read_rest(path), path)
    before = training.weights()
    training.trainer.train(content["iteration"] + 1, until)
    return training.losses.values, before, training.weights()


def third_leg(folder):
    """Three processes go on from what one has written."""
    result = resumed(folder, "model_final", 8)
    if rank() == 0:
        torch.save(result, folder / "third.pth")
