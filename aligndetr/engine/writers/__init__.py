"""Where recorded numbers go."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from aligndetr.engine.listed_parts import listed_parts
from aligndetr.engine.plan import Plan
from aligndetr.engine.writers.base import Writer
from aligndetr.engine.writers.console import BarWriter, LineWriter, console_writer
from aligndetr.engine.writers.jsonl import JSONLinesWriter
from aligndetr.engine.writers.tensorboard import TensorBoardWriter, tensorboard_installed
from aligndetr.engine.writers.wandb import WandbWriter
from aligndetr.evaluation.run_files import CONFIG_FILE, METRICS_FILE


def build_writers(config: DictConfig, folder: Path, plan: Plan) -> list[Writer]:
    """Those that every run has, those that are installed or asked for, and `train.writers`."""
    chosen: list[Writer] = [
        console_writer(plan.epoch_iters),
        JSONLinesWriter(folder / METRICS_FILE),
    ]
    if tensorboard_installed():
        chosen.append(TensorBoardWriter(folder))
    if OmegaConf.select(config, "train.wandb.enabled"):
        text = (folder / CONFIG_FILE).read_text(encoding="utf-8")
        chosen.append(WandbWriter(config.train.wandb.get("params") or {}, {"yaml": text}))
    return [*chosen, *listed_parts(config, "train.writers", Writer, ("start", "write", "close"))]


__all__ = [
    "BarWriter",
    "JSONLinesWriter",
    "LineWriter",
    "TensorBoardWriter",
    "WandbWriter",
    "Writer",
    "build_writers",
    "console_writer",
    "tensorboard_installed",
]
