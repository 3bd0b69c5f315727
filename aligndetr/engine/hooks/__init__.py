"""Everything that happens around the steps of a training."""

from aligndetr.engine.hooks.base import MOMENTS, Hook, is_due
from aligndetr.engine.hooks.checkpoints import BestCheckpointer, PeriodicCheckpointer
from aligndetr.engine.hooks.desync import DesyncGuard
from aligndetr.engine.hooks.detectron2 import Detectron2Events
from aligndetr.engine.hooks.ema import EMAHook, ModelEMA, build_ema
from aligndetr.engine.hooks.evaluation import EvalHook, ValidationLoss, flatten_results
from aligndetr.engine.hooks.interruption import Interruption
from aligndetr.engine.hooks.loader_waits import LoaderWaits
from aligndetr.engine.hooks.lr import LRScheduler
from aligndetr.engine.hooks.matching import MatchingStability
from aligndetr.engine.hooks.pictures import Pictures
from aligndetr.engine.hooks.stopping import EarlyStopping
from aligndetr.engine.hooks.time_left import TimeLeft
from aligndetr.engine.hooks.timer import IterationTimer
from aligndetr.engine.hooks.writing import PeriodicWriter

__all__ = [
    "MOMENTS",
    "BestCheckpointer",
    "DesyncGuard",
    "Detectron2Events",
    "EMAHook",
    "EarlyStopping",
    "EvalHook",
    "Hook",
    "Interruption",
    "IterationTimer",
    "LRScheduler",
    "LoaderWaits",
    "MatchingStability",
    "ModelEMA",
    "PeriodicCheckpointer",
    "PeriodicWriter",
    "Pictures",
    "TimeLeft",
    "ValidationLoss",
    "build_ema",
    "flatten_results",
    "is_due",
]
