"""One pass of a model over a dataset."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Generator, Iterable, Sequence, Sized
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from aligndetr.evaluation.cut import cut
from aligndetr.evaluation.evaluator import DatasetEvaluator, DatasetEvaluators, Results

logger = logging.getLogger(__name__)

LINE_EVERY_SECONDS = 30.0


@dataclass
class _Clock:
    """Seconds spent on each part of the loop."""

    data: float = 0.0
    model: float = 0.0
    evaluator: float = 0.0
    images: int = 0

    def line(self, total: float) -> str:
        parts = (
            f"data {self.data:.1f} s, model {self.model:.1f} s, evaluator {self.evaluator:.1f} s"
        )
        speed = f", {total / self.images:.4f} s per image" if self.images else ""
        return f"evaluated {self.images} images in {total:.1f} s ({parts}{speed})"


def inference_on_dataset(
    model: nn.Module | Callable[..., Any],
    loader: Iterable[Sequence[dict]],
    evaluator: DatasetEvaluator | Sequence[DatasetEvaluator],
) -> Results:
    """Run the model over the loader in evaluation mode and evaluate what it says.

    Args:
        model: called with a batch `list[dict]`, returns `list[dict]`; every module's training
            mode is restored afterwards, also after an error.
        loader: yields batches; may be empty in some processes (more processes than images).
        evaluator: one, or several that share the pass.

    Returns:
        Results by task and metric in the main process, `{}` in the others.

    Raises:
        EvaluationCut: a signal asked a training to end.
    """
    judge = DatasetEvaluators(evaluator) if isinstance(evaluator, Sequence) else evaluator
    judge.reset()
    clock, start = _Clock(), time.perf_counter()
    with evaluation_mode(model), torch.inference_mode(), _progress(loader) as advance:
        mark = time.perf_counter()
        for inputs in cut.until_asked(loader):
            fetched = time.perf_counter()
            outputs = model(inputs)
            _synchronise()
            computed = time.perf_counter()
            judge.process(inputs, outputs)
            done = time.perf_counter()
            clock.data += fetched - mark
            clock.model += computed - fetched
            clock.evaluator += done - computed
            clock.images += len(inputs)
            advance(clock.images)
            mark = time.perf_counter()
    logger.info(clock.line(time.perf_counter() - start))
    return judge.evaluate() or {}


@contextmanager
def evaluation_mode(model: nn.Module | Callable) -> Generator[None]:
    """Evaluation mode inside the block; each module's own mode is restored after it."""
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [module.training for module in modules]
    if isinstance(model, nn.Module):
        model.eval()
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode


def _synchronise() -> None:
    """Without it the time of the model would be booked on the evaluator's first copy."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


@contextmanager
def _progress(loader: Iterable) -> Generator[Callable[[int], None]]:
    """A bar on a terminal, else a line now and then; silent outside the main process."""
    from aligndetr.distributed import is_main

    total = len(loader) if isinstance(loader, Sized) else None
    if not is_main():
        yield lambda images: None
        return
    bar = _bar(total) if sys.stderr.isatty() else nullcontext(_lines(total))
    with bar as advance:
        yield advance


@contextmanager
def _bar(total: int | None) -> Generator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("evaluating", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("evaluating", total=total)
        yield lambda images: progress.advance(task)


def _lines(total: int | None) -> Callable[[int], None]:
    last = start = time.perf_counter()
    batches = 0

    def advance(images: int) -> None:
        nonlocal last, batches
        batches += 1
        now = time.perf_counter()
        if now - last >= LINE_EVERY_SECONDS:
            last = now
            left = f", {(now - start) / batches * (total - batches):.0f} s left" if total else ""
            logger.info("evaluating: %d images%s", images, left)

    return advance
