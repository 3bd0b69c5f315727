"""Evaluation and validation loss during training."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from aligndetr.distributed import all_gather_object, broadcast_object, unwrap
from aligndetr.engine.hooks.base import Hook, is_due
from aligndetr.engine.hooks.writing import paused_writers
from aligndetr.engine.random_state import undisturbed
from aligndetr.evaluation import Results
from aligndetr.evaluation.cut import cut


class EvalHook(Hook):
    """Calls a function every `period` steps and after the last one, and records its results.

    Args:
        period: 0 evaluates only at the end.
        evaluate: returns results by task and metric, which are recorded as `task/metric`; the
            argument says whether this is the evaluation at the end of training.

    Attributes:
        results: those of the last evaluation.
    """

    def __init__(self, period: int, evaluate: Callable[[bool], Results] | None) -> None:
        self.period = period
        self.evaluate = evaluate
        self.results: Results = {}

    def after_step(self) -> None:
        """Evaluate when it is time."""
        last = self.trainer.iter + 1 >= self.trainer.max_iter
        if last or is_due(self.trainer.iter, self.period):
            self.results = self._evaluate(last)
            self.trainer.storage.put_scalars(flatten_results(self.results), smoothing=False)

    def _evaluate(self, last: bool) -> Results:
        # how often it is evaluated must not change a training; some imports draw numbers too
        with undisturbed(), paused_writers(self.trainer.hooks), cut.at_once():
            results = self.evaluate(last) if self.evaluate else {}
        return broadcast_object(results)  # only the main process has any, but all act on them


def flatten_results(results: Results) -> dict[str, float]:
    """`{"bbox": {"AP": 40}}` -> `{"bbox/AP": 40}`."""
    return {
        f"{task}/{name}": value
        for task, metrics in results.items()
        for name, value in metrics.items()
    }


class ValidationLoss(Hook):
    """Records `validation_loss`, and each of its parts as `validation/<loss>`.

    The model computes losses as in training, but its parts are in evaluation mode: no dropout,
    BatchNorm does not learn. The random draws (denoising noise) are the same each time, and the
    generators of the training go on undisturbed. Averages are per batch.

    Args:
        period: steps between two computations; also after the last step.
        loader: yields batches with `instances`, and ends.
        seed: of the random draws.
    """

    def __init__(self, period: int, loader: Iterable[list[dict]], seed: int = 0) -> None:
        self.period = period
        self.loader = loader
        self.seed = seed

    def after_step(self) -> None:
        """Compute when it is time."""
        last = self.trainer.iter + 1 >= self.trainer.max_iter
        if last or is_due(self.trainer.iter, self.period):
            losses = self.compute()
            storage = self.trainer.storage
            storage.put_scalar("validation_loss", sum(losses.values()), smoothing=False)
            parts = {f"validation/{name}": value for name, value in losses.items()}
            storage.put_scalars(parts, smoothing=False)

    @torch.no_grad()
    def compute(self) -> dict[str, float]:
        """Losses by name, averaged over the batches of all processes."""
        model = unwrap(self.trainer.model)
        totals: dict[str, Tensor] = {}
        batches = 0
        with losses_without_training(model), undisturbed():
            torch.manual_seed(self.seed)
            for batch in cut.until_asked(self.loader):
                batches += 1
                objects = sum(len(item["instances"]) for item in batch)
                with self.trainer.precision.autocast():
                    losses = model(batch, num_boxes=float(max(objects, 1)))
                for name, loss in losses.items():
                    totals[name] = totals.get(name, 0) + loss
        return _average({name: float(total) for name, total in totals.items()}, batches)


def _average(totals: dict[str, float], batches: int) -> dict[str, float]:
    """Sums of this process -> averages over the batches of all processes."""
    parts = all_gather_object((totals, batches))
    count = max(1, sum(batches for _, batches in parts))
    names = dict.fromkeys(name for totals, _ in parts for name in totals)
    return {name: sum(totals.get(name, 0) for totals, _ in parts) / count for name in names}


@contextmanager
def losses_without_training(model: nn.Module) -> Generator[None]:
    """The model returns losses, while all its parts are in evaluation mode."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    model.training = True
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
