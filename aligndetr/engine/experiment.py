"""An experiment from its config: train it, evaluate it."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from aligndetr.distributed import barrier, is_main
from aligndetr.engine import building
from aligndetr.engine.allocator import tune_allocator
from aligndetr.engine.evaluating import Evaluation, last_line, write_results
from aligndetr.engine.initial import LoadInitial, load_own
from aligndetr.engine.launch import resolve_device
from aligndetr.engine.model import load_model
from aligndetr.engine.num_classes import settle_num_classes
from aligndetr.engine.plan import whole_number
from aligndetr.engine.random_state import choose_seed, seed_everything
from aligndetr.engine.recomputation import KEY as RECOMPUTED
from aligndetr.engine.run_folder import logging_to, make_run_folder
from aligndetr.engine.training_run import METRICS_FILE, TrainingRun
from aligndetr.errors import ConfigError, UserError

logger = logging.getLogger(__name__)

Results = Mapping[str, Mapping[str, float]]
PICTURES, CURVES = "pictures", "curves.png"


class TrainingInterrupted(UserError):  # noqa: N818
    """A signal ended the training; what was reached is saved.

    Attributes:
        exit_code: for the process, 128 + the signal's number.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def train(
    config: DictConfig, resume: bool = False, load_initial: LoadInitial = load_own
) -> Results:
    """Train and evaluate; everything lands in `train.output_dir`.

    Args:
        config: not changed.
        resume: go on from the folder's last checkpoint, if it has one.
        load_initial: reads `train.init_checkpoint`. Commands use
            `aligndetr.interop.load_checkpoint`, which knows other toolboxes, URLs and names.

    Returns:
        Results of the final evaluation by task and metric, in the main process.

    Raises:
        TrainingInterrupted: after SIGINT or SIGTERM.
        UserError: anything else that the user can change.
    """
    config, folder, device = _prepare(config, frugal=bool(OmegaConf.select(config, RECOMPUTED)))
    with logging_to(folder):
        run = TrainingRun(config, folder, device, resume, load_initial)
        if run.start_iter < run.plan.max_iter:
            run.train()
            _raise_if_interrupted(run)
            results = run.eval_hook.results
        else:
            logger.info("training is finished; evaluating what it reached")
            results = run.evaluate(last=True)
        _finish(run, results)
        return results


def evaluate(
    config: DictConfig,
    checkpoint: str | None = None,
    weights: str | None = None,
    load_initial: LoadInitial = load_own,
) -> Results:
    """Evaluate weights on `dataloader.test`; predictions and results land in `train.output_dir`.

    Args:
        config: not changed.
        checkpoint: file; None takes `train.init_checkpoint`.
        weights: "ema" or "model"; None follows `train.best.weights`, see `load_model`.
        load_initial: reads files that no training here wrote, see `train`.

    Returns:
        Results by task and metric, in the main process.

    Raises:
        UserError: anything that the user can change.
    """
    config, folder, _ = _prepare(config, frugal=False)
    checkpoint = checkpoint or OmegaConf.select(config, "train.init_checkpoint")
    if not checkpoint:
        raise ConfigError("nothing to evaluate: give a checkpoint (train.init_checkpoint=FILE)")
    with logging_to(folder):
        evaluation = Evaluation.from_config(config)
        if evaluation is None:
            raise ConfigError("evaluation needs dataloader.test and dataloader.evaluator")
        settle_num_classes(config, evaluation.class_names, "the evaluated dataset")
        model = load_model(
            config, checkpoint, evaluation.class_names, weights, load_initial=load_initial
        )
        results = evaluation.run(model)
        if is_main():
            write_results(results, folder)
            print(last_line(results, folder), flush=True)
        barrier()
        return results


def _prepare(config: DictConfig, frugal: bool) -> tuple[DictConfig, Path, torch.device]:
    """A config of its own, its folder, and this process ready for it."""
    config = copy.deepcopy(config)
    device = resolve_device(OmegaConf.select(config, "train.device") or "auto")
    folder = make_run_folder(config.train.output_dir)
    threads = whole_number(config, "train.num_threads", None)
    if threads:
        torch.set_num_threads(threads)
    if device.type == "cpu":
        tune_allocator(frugal)
    if OmegaConf.select(config, "train.deterministic"):
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    building.put(config, "train.seed", choose_seed(OmegaConf.select(config, "train.seed")))
    seed_everything(config.train.seed)
    return config, folder, device


def _raise_if_interrupted(run: TrainingRun) -> None:
    code = run.interruption.exit_code
    if run.trainer.stop_reason:
        logger.info("stopped after iteration %d: %s", run.trainer.iter, run.trainer.stop_reason)
    if code is not None:
        raise TrainingInterrupted(
            f"training was interrupted after {run.trainer.iter} of {run.plan.max_iter} iterations; "
            f"go on with --resume ({run.folder})",
            code,
        )


def _finish(run: TrainingRun, results: Results) -> None:
    """Pictures, curves, and where everything is."""
    if not is_main():
        barrier()
        return
    write_results(results, run.folder)
    checkpoint = run.checkpointer.last()
    found = {"checkpoint": checkpoint, "log": run.folder / "log.txt"}
    if (run.folder / "model_best.pth").is_file():
        found["best checkpoint"] = run.folder / "model_best.pth"
    if run.evaluation is not None:
        found["pictures"] = run.evaluation.draw(run.evaluated_model, run.folder / PICTURES)
    found["curves"] = _draw_curves(run.folder)
    for name, path in found.items():
        if path is not None:
            print(f"{name + ':':<17}{path}")
    print(last_line(results, run.folder), flush=True)
    barrier()


def _draw_curves(folder: Path) -> Path | None:
    from aligndetr.errors import DataError
    from aligndetr.visualization import plot_metrics

    try:
        plot_metrics(folder / METRICS_FILE, folder / CURVES)
    except DataError as error:
        logger.warning("no curves: %s", error)
        return None
    return folder / CURVES
