"""The training loop: nine lines, and hooks for everything else."""

from __future__ import annotations

import inspect
import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from aligndetr.data.samplers import Sample
from aligndetr.distributed import all_reduce_sum, together, unwrap, whole, world_size
from aligndetr.engine.buffers import BufferBackup
from aligndetr.engine.events import EventStorage
from aligndetr.engine.hooks.base import Hook
from aligndetr.engine.nonfinite import nonfinite_error
from aligndetr.engine.precision import Precision, precision_of
from aligndetr.errors import DataError, TrainingError
from aligndetr.evaluation.cut import EvaluationCut

logger = logging.getLogger(__name__)

OWED = "owed"  # in a checkpoint beside the names of hooks
Batch = list[dict[str, Any]]


@dataclass
class Shared:
    """What all processes agree on before a step is computed, from one reduction.

    Attributes:
        num_boxes: objects of the step, per process.
        stops: how many processes were asked to stop.
    """

    num_boxes: Tensor
    stops: Tensor


class Trainer:
    """Optimizes a model on an endless loader.

    A step fetches `accumulation_steps` batches, counts their objects over all processes, and
    lets the model divide its losses by that count, so that they sum to the loss of the one large
    batch. A model whose forward takes no `num_boxes` gets the mean over the batches instead.

    Args:
        model: in training, a batch -> scalar losses by name, whose sum is minimised.
        loader: yields batches; an object with `state_dict` is resumed exactly.
        optimizer: over the model's parameters.
        precision: autocast and loss scaling; None: full precision.
        clip_grad: `max_norm` and `norm_type` of gradient clipping; None: no clipping.
        accumulation_steps: batches of a step on each process.
        dump_folder: gets the batch of a step whose loss is not finite; None saves nothing.

    Attributes:
        iter: index of the present iteration; `max_iter` once training has finished.
        completed: steps whose optimizer step is done.
        storage: the EventStorage of the running training.
        samples: `sample` of each item of the present step, see `BatchReader`; None where unknown.
        owed: names of `hooks` whose `after_step` is still to be called for the last completed step,
            as one was cut short or failed, and that step's `events` if it was loaded; empty: none.
        stop_reason: set by `stop`; every process ends after the same step.
        failure: the exception that ended the training, or None.
    """

    def __init__(
        self,
        model: nn.Module,
        loader: Iterable[Batch],
        optimizer: torch.optim.Optimizer,
        *,
        precision: Precision | None = None,
        clip_grad: Mapping[str, float] | None = None,
        accumulation_steps: int = 1,
        dump_folder: Path | None = None,
    ) -> None:
        self.model = model
        self.loader = loader
        self.optimizer = optimizer
        self.precision = precision or precision_of(model)
        self.clip_grad = clip_grad
        self.accumulation_steps = accumulation_steps
        self.dump_folder = dump_folder
        self.hooks: list[Hook] = []
        self.iter = self.start_iter = self.completed = self.max_iter = 0
        self.storage = EventStorage()
        self.samples: list[Sample | None] = []
        self.owed: dict[str, Any] = {}
        self.stop_reason: str | None = None
        self.failure: BaseException | None = None
        self._stop_wanted: str | None = None
        self._takes_num_boxes = "num_boxes" in inspect.signature(unwrap(model).forward).parameters
        self._buffers = BufferBackup(unwrap(model))
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]

    def register_hooks(self, hooks: Sequence[Hook]) -> None:
        """Add hooks; they are called in this order."""
        for hook in hooks:
            hook.trainer = self
            self.hooks.append(hook)

    def train(self, start_iter: int, max_iter: int) -> None:
        """Run the iterations from `start_iter` up to, without, `max_iter`.

        Hooks that are `owed` the end of the step before come first.

        Args:
            start_iter: how many steps are completed.
            max_iter: how many shall be.

        Raises:
            TrainingError: a loss or gradient is not finite.
        """
        if not start_iter:
            self.owed = {}  # by an earlier training of this object
        start_iter = self.first_iter(start_iter)
        self.iter = self.start_iter = self.completed = start_iter
        self.max_iter = max_iter
        with EventStorage(start_iter) as self.storage:
            try:
                self.model.train()
                self._batches = iter(self.loader)
                self._call_hooks("before_train")
                while self.iter < max_iter and not self.stop_reason:
                    self.storage.iter = self.iter
                    if not self.owed:
                        self._call_hooks("before_step")
                        self.run_step()
                    self.completed = self.iter + 1
                    self._after_step()
                    self.iter += 1
            except BaseException as error:
                self.failure = error
            self._tell_the_end()
        if self.failure is not None:
            raise self.failure

    def first_iter(self, completed: int) -> int:
        """What follows so many steps: the last of them again, if hooks are owed its end."""
        return completed - bool(self.owed)

    def first_iter_of(self, hook: Hook) -> int:
        """The first step whose end a hook hears of; one later if that is owed only to others."""
        owed = self.owed and self.owed["hooks"]
        done = owed and hook not in [h for name, h in self._named_hooks() if name in owed]
        return self.start_iter + bool(done)

    def stop(self, reason: str) -> None:
        """End the training after the step in which every process knows of it."""
        self._stop_wanted = self._stop_wanted or reason

    def run_step(self) -> None:
        """Fetch, forward, backward, clip, step, record."""
        start = time.perf_counter()
        batches = self._fetch()
        data_time = time.perf_counter() - start
        scaler = self.precision.scaler
        items = (item for batch in batches for item in batch)
        self.samples = [item.get("sample") for item in items if isinstance(item, Mapping)]
        with self._buffers.restored_on_failure(), together(f"step {self.iter}"):
            shared = self._share(batches)
            losses = self._forward_backward(batches, shared.num_boxes)
            self._call_hooks("after_backward")
            scaler.unscale_(self.optimizer)
            grad_norm = self._grad_norm()
            total = _sum(losses)
            # float16 gradients may overflow: the scaler then skips the step and scales them less;
            # a loss is of this process alone, and all of them have to stop for it
            checked = all_reduce_sum(total) if scaler.is_enabled() else total + grad_norm
            self._check(losses, checked, shared.stops, batches)
        self._clip(grad_norm)
        scaler.step(self.optimizer)
        scaler.update()
        self.optimizer.zero_grad()
        self.storage.put_scalars({**losses, "total_loss": total, "grad_norm": grad_norm})
        self.storage.put_scalar("data_time", data_time)

    def state_dict(self) -> dict[str, Any]:
        """What hooks remember, by their names, and what is owed to them."""
        states = {name: hook.state_dict() for name, hook in self._named_hooks()}
        if self.owed:
            states[OWED] = {**self.owed, "events": self.storage.state_dict()}
        return {name: state for name, state in states.items() if state}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Give hooks back what they remembered.

        Raises:
            Exception: of any kind, what is owed was not written by `state_dict`.
        """
        for name, hook in self._named_hooks():
            if name in state_dict:
                hook.load_state_dict(state_dict[name])
        self.owed = _read_owed(state_dict[OWED]) if OWED in state_dict else {}

    def _named_hooks(self) -> Iterator[tuple[str, Hook]]:
        """Hooks by their class, the second of a class as `Class.2`."""
        seen: Counter[str] = Counter()
        for hook in self.hooks:
            name = type(hook).__name__
            seen[name] += 1
            yield (name if seen[name] == 1 else f"{name}.{seen[name]}"), hook

    def _call_hooks(self, moment: str) -> None:
        for hook in self.hooks:
            getattr(hook, moment)()

    def _after_step(self) -> None:
        """Let the hooks do what follows a step; those that it is owed to, if there are such."""
        owed, self.owed = self.owed, {}
        if "events" in owed:
            self.storage.load_state_dict(owed["events"])
        hooks = [(n, hook) for n, hook in self._named_hooks() if not owed or n in owed["hooks"]]
        for index, (name, hook) in enumerate(hooks):
            try:
                hook.after_step()
            except BaseException as error:
                self.owed = {"hooks": [name for name, _ in hooks[index:]]}
                if not isinstance(error, EvaluationCut):
                    raise
                logger.warning("%s is cut short; a resumed training makes it up", name)
                self._stop_now()
                return

    def _stop_now(self) -> None:
        self.stop_reason = self._stop_wanted or "another process was asked to stop"

    def _tell_the_end(self) -> None:
        """Every hook hears of it, even if another fails at it; the first failure is kept."""
        for hook in self.hooks:
            try:
                hook.after_train()
            except BaseException as error:
                if self.failure is None or isinstance(error, KeyboardInterrupt):
                    self.failure = error
                else:
                    logger.error("%s", error)

    def _fetch(self) -> list[Batch]:
        try:
            return [next(self._batches) for _ in range(self.accumulation_steps)]
        except StopIteration:
            raise DataError("the training loader ended; it must be endless") from None

    def _share(self, batches: Sequence[Batch]) -> Shared:
        """Tell the other processes of this step what they must know, and hear it from them."""
        objects = sum(len(item.get("instances", ())) for batch in batches for item in batch)
        own = torch.tensor([float(objects), float(self._stop_wanted is not None)])
        total = all_reduce_sum(own.to(self.precision.device, non_blocking=True))
        return Shared(num_boxes=total[0].clamp(min=1) / world_size(), stops=total[1])

    def _forward_backward(self, batches: Sequence[Batch], num_boxes: Tensor) -> dict[str, Tensor]:
        totals: dict[str, Tensor] = {}
        for index, batch in enumerate(batches):
            with self._gradients_synchronised(index == len(batches) - 1):
                with self.precision.autocast():
                    losses = self._losses(batch, num_boxes)
                total = _sum(losses)
                self.precision.scaler.scale(total).backward()
            for name, loss in losses.items():
                loss = loss.detach()
                totals[name] = totals[name] + loss if name in totals else loss
        return totals

    def _losses(self, batch: Batch, num_boxes: Tensor) -> dict[str, Tensor]:
        if self._takes_num_boxes:
            return self.model(batch, num_boxes=num_boxes)
        losses = self.model(batch)
        return {name: loss / self.accumulation_steps for name, loss in losses.items()}

    def _gradients_synchronised(self, now: bool):
        if hasattr(self.model, "set_requires_gradient_sync"):  # sharded
            cast(Any, self.model).set_requires_gradient_sync(now)
            return nullcontext()
        distributed = isinstance(self.model, DistributedDataParallel)
        return self.model.no_sync() if distributed and not now else nullcontext()

    def _grad_norm(self) -> Tensor:
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        norm_type = (self.clip_grad or {}).get("norm_type", 2.0)
        return whole(nn.utils.get_total_norm(gradients, norm_type))

    def _clip(self, grad_norm: Tensor) -> None:
        if self.clip_grad:
            max_norm = self.clip_grad["max_norm"]
            nn.utils.clip_grads_with_norm_(self._parameters, max_norm, grad_norm)

    def _check(
        self,
        losses: dict[str, Tensor],
        checked: Tensor,
        stops: Tensor,
        batches: Sequence[Batch],
    ) -> None:
        """Fail unless `checked` is finite; here alone the host waits for the device."""
        finite, stop_wanted = torch.stack([checked.isfinite().float(), stops]).tolist()
        if not finite:
            raise self._nonfinite(losses, batches)
        if stop_wanted:
            self._stop_now()

    def _nonfinite(self, losses: dict[str, Tensor], batches: Sequence[Batch]) -> TrainingError:
        self.storage.put_scalars(losses)
        folder = self.dump_folder
        return nonfinite_error(losses, unwrap(self.model), batches, self.iter, folder)


def _sum(losses: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([loss.flatten() for loss in losses.values()]).sum()  # not one sum a loss


def _read_owed(state: Mapping[str, Any]) -> dict[str, Any]:
    EventStorage().load_state_dict(state["events"])  # fails now rather than when it is taken up
    return {"hooks": [str(name) for name in state["hooks"]], "events": state["events"]}
