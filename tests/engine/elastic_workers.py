"""What takes part in the runs of test_elastic.py; importable by their processes."""

import json
import os
import signal
from pathlib import Path

from aligndetr.config import LazyConfig
from aligndetr.config.nodes import to_plain
from aligndetr.distributed import rank, world_size
from aligndetr.engine.hooks import Hook
from aligndetr.engine.run import train
from tests.engine.toy import write_coco

PARTS, UNDISTURBED = 18, 9  # iterations
CONFIG = Path(__file__).parents[1] / "faults" / "toy_config.py"


class KillOnce(Hook):
    """Kills process 1 before a step, unless a file says that this was done."""

    def __init__(self, before, mark):
        self.before, self.mark = before, Path(mark)

    def before_step(self):
        if rank() == 1 and self.trainer.iter == self.before and not self.mark.exists():
            self.mark.write_text("")
            os.kill(os.getpid(), signal.SIGKILL)


class Preempt(Hook):
    """Sends process 0 what Slurm sends before a job ends, unless a file says that this was done."""

    def __init__(self, before, mark):
        self.before, self.mark = before, Path(mark)

    def before_step(self):
        if rank() == 0 and self.trainer.iter == self.before and not self.mark.exists():
            self.mark.write_text("")
            signal.raise_signal(signal.SIGUSR2)


class Diary(Hook):
    """Appends the samples of each step to a file of each process."""

    def __init__(self, file):
        self.file = file

    def after_step(self):
        entry = {"iter": self.trainer.iter, "of": world_size(), "samples": self.trainer.samples}
        with open(f"{self.file}.{rank()}", "a") as file:
            file.write(json.dumps(entry) + "\n")


class StopAfter(Hook):
    """Ends the training as a signal does, after the step of this number."""

    def __init__(self, iteration):
        self.iteration = iteration

    def before_step(self):
        if self.trainer.iter == self.iteration:
            self.trainer.stop("so far")


def hook(kind, **arguments):
    return {"_target_": f"{__name__}.{kind.__name__}", **arguments}


def config_of(folder, *overrides, hooks=()):
    """The toy config on ten images below `folder`, with a model that draws nothing at random."""
    data = folder / "data"
    if not data.exists():
        data.mkdir()
        write_coco(data)
    config = LazyConfig.load(CONFIG)
    files = f"json_file={data}/boxes.json", f"image_root={data}"
    words = [f"dataloader.{split}.dataset.{x}" for split in ("train", "test") for x in files]
    words += ["model.dropout=0", "model.norm=false", "train.eval_period=0"]
    words += ["train.report.enabled=false", "dataloader.evaluator=null"]
    words += ["dataloader.train.total_batch_size=4", "train.reference_batch_size=4"]
    LazyConfig.apply_overrides(config, [*words, *overrides])
    config.train.hooks = list(hooks)
    return config


def write_config(path, config):
    """As a file that calls nothing."""
    plain = to_plain(config)
    path.write_text("".join(f"{name} = {value!r}\n" for name, value in plain.items()))
    return path


def train_a_part(folder, last):
    """Resume, and stop after the step of this number."""
    hooks = [hook(Diary, file=str(folder / "diary")), hook(StopAfter, iteration=last)]
    config = config_of(folder, f"train.output_dir={folder}/run", hooks=hooks)
    config.train.max_iter = PARTS
    train(config, resume=True)


def two_processes(folder):
    """The second part of a training, and another training as a whole."""
    train_a_part(folder, last=10)
    config = config_of(folder, f"train.output_dir={folder}/undisturbed")
    config.train.max_iter = UNDISTURBED
    train(config)
