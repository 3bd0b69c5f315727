"""All that a training needs, built from its config and put together."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from aligndetr.config import LazyConfig, instantiate
from aligndetr.distributed import barrier, is_main, main_first, rank, world_size
from aligndetr.engine import building, hooks, writers
from aligndetr.engine.checkpoint import Checkpointer
from aligndetr.engine.evaluating import Evaluation
from aligndetr.engine.initial import LoadInitial
from aligndetr.engine.lr_schedule import LRMultiplier
from aligndetr.engine.model import build_model
from aligndetr.engine.num_classes import settle_num_classes
from aligndetr.engine.plan import Plan, make_plan, whole_number
from aligndetr.engine.precision import Precision
from aligndetr.engine.random_state import RandomState, seed_everything
from aligndetr.engine.trainer import Trainer
from aligndetr.errors import ConfigError
from aligndetr.modeling.ema import ModelEMA

logger = logging.getLogger(__name__)

Results = Mapping[str, Mapping[str, float]]
CONFIG_FILE, METRICS_FILE = "config.yaml", "metrics.json"


class TrainingRun:
    """A training, ready to start.

    Args:
        config: the experiment's, which this object may change.
        folder: gets everything.
        device: of this process.
        resume: whether to go on from the folder's last checkpoint.
        load_initial: reads `train.init_checkpoint`.

    Attributes:
        plan: its numbers.
        start_iter: 0, or where the checkpoint stopped.
        trainer: with all hooks.
        interruption: the hook that knows which signal came.
        eval_hook: has the results.
    """

    def __init__(
        self,
        config: DictConfig,
        folder: Path,
        device: torch.device,
        resume: bool,
        load_initial: LoadInitial,
    ) -> None:
        self.config, self.folder, self.device = config, folder, device
        dataset = self._settle_data()
        self.model = build_model(config, self.class_names).to(device)
        checkpoint = Checkpointer(self.model, folder).last() if resume else None
        if checkpoint is None:
            self._load_initial(load_initial, resume)
        self.ema = self._build_ema()
        self.evaluated = self._choose_evaluated()
        building.keep_dataset(config, "train", dataset)
        self.trainer, self.scheduler = self._build_trainer()
        self.evaluation = Evaluation.from_config(config)
        self.checkpointer = self._build_checkpointer()
        self.console: Any = None
        self._register_hooks()
        self.start_iter = 0
        seed_everything(config.train.seed + 1 + rank())  # processes draw different noise
        if checkpoint is not None:
            self._resume(checkpoint)

    def train(self) -> None:
        """Run the iterations that are left."""
        self.trainer.register_hooks([self._writing_hook(), self.interruption])
        self.trainer.train(self.start_iter, self.plan.max_iter)

    def evaluate(self, last: bool) -> Results:
        """Evaluate the chosen weights, at the end of training also the others."""
        if self.evaluation is None:
            return {}
        with self.console.paused() if self.console else nullcontext():
            others = {}
            if last and self.ema is not None:
                other = "model" if self.evaluated == "ema" else "ema"
                results = self._evaluate(other)
                others = {f"{other}/{task}": metrics for task, metrics in results.items()}
            return {**self._evaluate(self.evaluated), **others}

    @property
    def evaluated_model(self) -> nn.Module:
        """The model whose results count: `train.best.weights`."""
        return self._weights(self.evaluated)

    def _evaluate(self, which: str) -> Results:
        if self.ema is not None:
            logger.info("evaluating the %s weights", which)
        return self.evaluation.run(self._weights(which))

    def _weights(self, which: str) -> nn.Module:
        return self.ema.module if which == "ema" else self.model

    def _settle_data(self) -> Any:
        """Load the training data, on which the number of classes and the length depend."""
        with main_first():
            dataset = building.build_dataset(self.config, "train")
        self.class_names = getattr(dataset, "class_names", None)
        source = f"the dataset {getattr(dataset, 'name', '')}"
        settle_num_classes(self.config, self.class_names, source)
        epoch_size = getattr(dataset, "epoch_size", None)
        self.plan: Plan = make_plan(self.config, epoch_size, world_size())
        logger.info("%s", self.plan.describe())
        if is_main():
            LazyConfig.save(self.config, self.folder / CONFIG_FILE)
        barrier()
        return dataset

    def _load_initial(self, load_initial: LoadInitial, resume: bool) -> None:
        if resume:
            logger.info("nothing to resume in %s: starting from iteration 0", self.folder)
        path = OmegaConf.select(self.config, "train.init_checkpoint")
        if path:
            with main_first():
                logger.info("%s", load_initial(self.model, path))

    def _build_ema(self) -> ModelEMA | None:
        options = OmegaConf.select(self.config, "train.model_ema") or {}
        if not options.get("enabled"):
            return None
        return ModelEMA(self.model, options.get("decay", 0.999), options.get("warmup") or 0)

    def _choose_evaluated(self) -> str:
        chosen = OmegaConf.select(self.config, "train.best.weights")
        if chosen not in (None, "ema", "model"):
            raise ConfigError(f"train.best.weights={chosen!r}: choose ema, model or null")
        if chosen == "ema" and self.ema is None:
            raise ConfigError("train.best.weights=ema needs train.model_ema.enabled=true")
        return chosen or ("model" if self.ema is None else "ema")

    def _build_trainer(self) -> tuple[Trainer, LRMultiplier]:
        config = self.config
        amp = OmegaConf.select(config, "train.amp") or {}
        clip = OmegaConf.select(config, "train.clip_grad") or {}
        optimizer = building.build_optimizer(config, self.model, self.plan)
        trainer = Trainer(
            building.distribute(self.model, config, self.device),
            building.build_train_loader(config, self.plan),
            optimizer,
            precision=Precision(self.device, amp.get("dtype") if amp.get("enabled") else None),
            clip_grad=dict(clip.params) if clip.get("enabled") else None,
            accumulation_steps=self.plan.accumulation_steps,
            dump_folder=self.folder,
        )
        schedule = instantiate(config.lr_multiplier)
        return trainer, LRMultiplier(optimizer, schedule, self.plan.max_iter)

    def _build_checkpointer(self) -> Checkpointer:
        trainer = self.trainer
        parts = {"optimizer": trainer.optimizer, "scheduler": self.scheduler, "hooks": trainer}
        parts |= {"scaler": trainer.precision.scaler, "random_state": RandomState()}
        if hasattr(trainer.loader, "state_dict"):
            parts["loader"] = trainer.loader
        if self.ema is not None:
            parts["ema"] = self.ema
        config_text = (self.folder / CONFIG_FILE).read_text(encoding="utf-8")
        return Checkpointer(
            self.model,
            self.folder,
            max_to_keep=whole_number(self.config, "train.checkpointer.max_to_keep", None),
            extra={"class_names": self.class_names, "config": config_text},
            **parts,
        )

    def _register_hooks(self) -> None:
        """All hooks but those that only a running training needs."""
        self.eval_hook = hooks.EvalHook(self.plan.eval_period, self.evaluate)
        self.interruption = hooks.Interruption()
        chosen = [hooks.IterationTimer()]
        if self.ema is not None:
            chosen.append(hooks.EMAHook(self.ema))
        chosen.append(hooks.LRScheduler(self.scheduler))
        if OmegaConf.select(self.config, "train.validation_loss.enabled"):
            loader = building.build_validation_loader(self.config)
            chosen.append(hooks.ValidationLoss(self.plan.eval_period, loader))
        chosen.append(self.eval_hook)
        metric = OmegaConf.select(self.config, "train.best.metric") or "bbox/AP"
        larger = not metric.startswith("validation")
        chosen.append(hooks.BestCheckpointer(self.checkpointer, metric, larger))
        patience = whole_number(self.config, "train.early_stopping.patience", 0)
        if patience:
            chosen.append(hooks.EarlyStopping(metric, patience, larger))
        period = self.plan.checkpoint_period
        chosen.append(hooks.PeriodicCheckpointer(self.checkpointer, period))
        self.trainer.register_hooks(chosen)

    def _resume(self, checkpoint: Path) -> None:
        trust = bool(OmegaConf.select(self.config, "train.trust_checkpoint"))
        groups = self.trainer.optimizer.param_groups
        configured = [{k: v for k, v in g.items() if k not in ("params", "lr")} for g in groups]
        self.start_iter = self.checkpointer.load(checkpoint, trust)["iteration"] + 1
        # the checkpoint knows the optimizer's state, the config its settings; the scheduler set lr
        for group, settings in zip(self.trainer.optimizer.param_groups, configured, strict=True):
            group.update(settings)
        logger.info("resuming from %s at iteration %d", checkpoint, self.start_iter)

    def _writing_hook(self) -> hooks.PeriodicWriter:
        if not is_main():
            return hooks.PeriodicWriter([], self.plan.log_period)
        start, plan = self.start_iter, self.plan
        self.console = writers.console_writer(start, plan.max_iter, plan.epoch_iters)
        chosen = [self.console, writers.JSONLinesWriter(self.folder / METRICS_FILE, start)]
        if writers.tensorboard_installed():
            chosen.append(writers.TensorBoardWriter(self.folder, start))
        if OmegaConf.select(self.config, "train.wandb.enabled"):
            params = self.config.train.wandb.get("params") or {}
            text = (self.folder / CONFIG_FILE).read_text(encoding="utf-8")
            chosen.append(writers.WandbWriter(params, {"yaml": text}, start))
        return hooks.PeriodicWriter(chosen, plan.log_period)
