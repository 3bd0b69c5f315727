"""Where recorded numbers go."""

from aligndetr.engine.writers.console import BarWriter, LineWriter, console_writer
from aligndetr.engine.writers.jsonl import JSONLinesWriter
from aligndetr.engine.writers.tensorboard import TensorBoardWriter, tensorboard_installed
from aligndetr.engine.writers.wandb import WandbWriter

__all__ = [
    "BarWriter",
    "JSONLinesWriter",
    "LineWriter",
    "TensorBoardWriter",
    "WandbWriter",
    "console_writer",
    "tensorboard_installed",
]
