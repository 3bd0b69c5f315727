"""A run from top to bottom: train what a config describes, or evaluate a checkpoint of it."""

from __future__ import annotations

import copy
import logging
import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torch import nn

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.consent import remember
from aligndetr.config.trust import needs_trust
from aligndetr.distributed import on_main, rank, world_size
from aligndetr.engine import hooks
from aligndetr.engine.activation_checkpointing import KEY as RECOMPUTED
from aligndetr.engine.checkpoint import Checkpointer, build_checkpointer
from aligndetr.engine.desync import check_data
from aligndetr.engine.earlier_runs import folder_of_run, remove_earlier_run, with_restarts
from aligndetr.engine.evaluating import build_evaluation, evaluation_of_training
from aligndetr.engine.evaluation_folder import folder_of_evaluation
from aligndetr.engine.initial_weights import load_start
from aligndetr.engine.listed_parts import listed_parts
from aligndetr.engine.loaders_from_config import (
    build_train_loader,
    load_dataset,
)
from aligndetr.engine.lr_schedule import LRMultiplier
from aligndetr.engine.machine import write_environment
from aligndetr.engine.model import build_model, load_model
from aligndetr.engine.observers import build_observers
from aligndetr.engine.optimizer import build_optimizer, settings_kept
from aligndetr.engine.outcome import print_last_line, write_numbers, write_training
from aligndetr.engine.plan import Plan, settled_plan, whole_number
from aligndetr.engine.process import prepare_process
from aligndetr.engine.random_state import seed_everything
from aligndetr.engine.resume_point import ResumePoint, find_resume_point
from aligndetr.engine.run_folder import logging_later
from aligndetr.engine.sections import EVALUATED, TRAINED, checked_copy
from aligndetr.engine.several_processes import watching_each_other
from aligndetr.engine.sharding import KEY as SHARDED
from aligndetr.engine.sharding import build_sharding
from aligndetr.engine.trainer import Trainer
from aligndetr.engine.trainer_from_config import build_trainer
from aligndetr.engine.writers import build_writers
from aligndetr.errors import ConfigError, UserError
from aligndetr.evaluation import Results
from aligndetr.evaluation.run_files import CONFIG_FILE

logger = logging.getLogger(__name__)


class TrainingInterrupted(UserError):  # noqa: N818
    """A signal ended the training; what was reached is saved.

    Attributes:
        exit_code: for the process, 128 + the signal's number.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def train(config: DictConfig, resume: bool = False, overwrite: bool = False) -> Results:
    """Train and evaluate; everything lands in `train.output_dir`, or beside it if that is used.

    What torchrun or Slurm starts again goes on with the run that it began.

    Args:
        config: not changed.
        resume: go on from the folder's last checkpoint, if it has one.
        overwrite: remove what an earlier run left in the folder, once training can begin.

    Returns:
        Results of the final evaluation by task and metric, in the main process.

    Raises:
        TrainingInterrupted: after SIGINT or SIGTERM.
        UserError: anything else that the user can change.
    """
    config = checked_copy(config, TRAINED)
    device = prepare_process(config, frugal=bool(OmegaConf.select(config, RECOMPUTED)))
    resume, overwrite = with_restarts(config, resume, overwrite)
    with folder_of_run(config, resume, overwrite) as folder:
        dataset = load_dataset(config, "train")
        plan = _settle(config, dataset, folder)
        model = build_model(config, getattr(dataset, "class_names", None)).to(device)
        resumed = _start(config, folder, model, resume)
        ema = hooks.build_ema(config, model)
        sharding = build_sharding(config, model, ema)
        optimizer = build_optimizer(config, model, plan.lr_factor)
        scheduler = LRMultiplier(optimizer, instantiate(config.lr_multiplier), plan.max_iter)
        loader = build_train_loader(config, dataset, plan)
        trainer = build_trainer(config, model, loader, optimizer, plan, folder)
        evaluation = evaluation_of_training(config, dataset, model, ema, sharding)
        if overwrite:
            on_main(lambda: remove_earlier_run(folder))
        checkpointer = build_checkpointer(config, folder, trainer, scheduler, ema, sharding)
        on_main(lambda: write_environment(folder, model))
        evaluating = hooks.EvalHook(plan.eval_period, evaluation)
        trainer.register_hooks(
            [
                hooks.Detectron2Events(),
                hooks.IterationTimer(plan.total_batch_size),
                *([hooks.EMAHook(ema)] if ema else []),
                hooks.LRScheduler(scheduler),
                *watching_each_other(config, plan),
                *build_observers(config, plan, evaluation),
                *([evaluating] if evaluation else []),
                *listed_parts(config, "train.hooks", hooks.Hook, hooks.MOMENTS),
                *_early_stopping(config),
                hooks.TimeLeft(plan.eval_period if evaluation else None, plan.checkpoint_period),
                # a kill after a checkpoint finds the line of its step written, no hook left out
                hooks.PeriodicWriter(build_writers(config, folder, plan), plan.log_period),
                hooks.BestCheckpointer(checkpointer, *_best_metric(config)),
                hooks.PeriodicCheckpointer(checkpointer, plan.checkpoint_period),
                interruption := hooks.Interruption(),
            ]
        )
        seed_everything(config.train.seed + 1 + rank())  # processes draw different noise
        start_iter = _restore(resumed, checkpointer, trainer) if resumed else 0
        del resumed  # as large as model and optimizer
        if trainer.first_iter(start_iter) < plan.max_iter:
            trainer.train(start_iter, plan.max_iter)
            _raise_if_interrupted(trainer, interruption, folder)
            results = evaluating.results
        else:
            logger.info("training is finished; evaluating what it reached")
            results = evaluation() if evaluation else {}
        on_main(lambda: write_training(folder, results, evaluation, config))
        return results


def evaluate(
    config: DictConfig,
    checkpoint: str | None = None,
    weights: str | None = None,
    inside: str | os.PathLike | None = None,
) -> Results:
    """Evaluate weights on `dataloader.test`; predictions and results get a folder of their own.

    Args:
        config: not changed. `train.output_dir` is the folder, or NAME-2 beside it if that is used;
            if the checkpoint lies there, `eval-<dataset>` in it.
        checkpoint: file; None takes `train.init_checkpoint`.
        weights: "ema" or "model"; None follows `train.best.weights`, see `load_model`.
        inside: make `eval-<dataset>` there, whatever `train.output_dir` is.

    Returns:
        Results by task and metric, in the main process.

    Raises:
        UserError: anything that the user can change.
    """
    config = checked_copy(config, EVALUATED)
    prepare_process(config)
    checkpoint = checkpoint or OmegaConf.select(config, "train.init_checkpoint")
    if not checkpoint:
        raise ConfigError("nothing to evaluate: give a checkpoint (train.init_checkpoint=FILE)")
    with logging_later() as log_to:
        dataset = load_dataset(config, "test", checkpoint)
        names = getattr(dataset, "class_names", None)
        model = load_model(config, checkpoint, names, weights)
        data = getattr(dataset, "name", "test")
        with folder_of_evaluation(config, checkpoint, data, inside) as folder:
            evaluation = build_evaluation(config, {"model": model}, dataset)
            if not evaluation:
                raise ConfigError("evaluation needs dataloader.test and dataloader.evaluator")
            log_to(folder)
            results = evaluation.of("model")  # finite: see `load_model`
            on_main(lambda: _write_evaluation(folder, results, config, checkpoint))
            return results


def _write_evaluation(folder: Path, results: Results, config: DictConfig, checkpoint: str) -> None:
    """What is left to write, the config so that it repeats this; and the last line."""
    write_numbers(folder, results)
    OmegaConf.update(config, "train.init_checkpoint", str(checkpoint), force_add=True)
    _save(config, folder)
    print_last_line(results, folder)


def _settle(config: DictConfig, dataset: Any, folder: Path) -> Plan:
    """Save the config, and let the data decide what that leaves to the data."""
    stated = copy.deepcopy(config)
    plan = settled_plan(config, dataset, world_size())
    check_data(dataset, plan)
    logger.info("%s", plan.describe())
    on_main(lambda: _save(stated, folder))
    return plan


def _save(config: DictConfig, folder: Path) -> None:
    """Keep what is trained or evaluated; whoever did it may read it again without being asked."""
    LazyConfig.save(config, folder / CONFIG_FILE)
    if needs_trust(config):
        try:
            remember(config, folder)
        except (UserError, RuntimeError) as error:
            logger.warning("%s; %s will be read with --trust-config only", error, CONFIG_FILE)


def _best_metric(config: DictConfig) -> tuple[str, bool]:
    """The metric that says which weights are the best, and whether larger is better."""
    metric = OmegaConf.select(config, "train.best.metric") or "bbox/AP"
    return metric, not metric.startswith("validation")


def _early_stopping(config: DictConfig) -> list[hooks.Hook]:
    patience = whole_number(config, "train.early_stopping.patience", 0)
    metric, larger = _best_metric(config)
    return [hooks.EarlyStopping(metric, patience, larger)] if patience else []


def _start(config: DictConfig, folder: Path, model: nn.Module, resume: bool) -> ResumePoint | None:
    """Where to go on; if that is nowhere, the model gets the weights that it begins with."""
    trust = bool(OmegaConf.select(config, "train.trust_checkpoint"))
    sharded = bool(OmegaConf.select(config, SHARDED))
    resumed = find_resume_point(folder, model, trust, sharded) if resume else None
    if resumed is None:
        load_start(config, model)
    return resumed


def _restore(resumed: ResumePoint, checkpointer: Checkpointer, trainer: Trainer) -> int:
    """Restore everything; how many steps are completed."""
    with settings_kept(trainer.optimizer):
        start_iter = checkpointer.restore(resumed.content, resumed.path)["iteration"] + 1
    logger.info("resuming from %s at iteration %d", resumed.path, start_iter)
    if trainer.owed:
        logger.info("first, what the step before owes to %s", ", ".join(trainer.owed["hooks"]))
    return start_iter


def _raise_if_interrupted(trainer: Trainer, by: hooks.Interruption, folder: Path) -> None:
    if trainer.stop_reason:
        logger.info("stopped after iteration %d: %s", trainer.iter, trainer.stop_reason)
    if by.exit_code is not None:
        raise TrainingInterrupted(
            f"training was interrupted after {trainer.iter} of {trainer.max_iter} iterations; "
            f"go on with --resume train.output_dir={folder}",
            by.exit_code,
        )
