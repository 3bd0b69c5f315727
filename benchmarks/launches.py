"""What a step asks of a device, counted without one: operators, and waits of the host.

python -m benchmarks.launches    (writes the tables of docs/kernels.md)

The model lies on PyTorch's `meta` device, whose tensors have shapes and no content, and the batch
on the CPU as a loader gives it. So what crosses from one to the other is seen: whatever brings a
tensor or a number from the device to the host would wait for all that was launched before.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from aligndetr.config import LazyConfig, instantiate, resolve_config
from aligndetr.engine.hooks import EMAHook
from aligndetr.engine.hooks.ema import ModelEMA
from aligndetr.engine.optimizer import build_optimizer
from aligndetr.engine.trainer import Trainer
from benchmarks.generated import replace_section
from benchmarks.workload import make_batch

DOCS = Path(__file__).parents[1] / "docs/kernels.md"
LARGE = "aligndetr_k2_r50_4scale_12ep"
MODELS = (
    (LARGE, 2),
    (LARGE, 16),
    ("detr_tiny", 2),
    ("h_deformable_detr_tiny", 2),
    ("rtdetr_tiny", 2),
)
aten = torch.ops.aten
READS = {aten._local_scalar_dense.default, aten.equal.default, aten.is_nonzero.default}
SIZED_BY_CONTENT = {
    aten.nonzero.default,
    aten.masked_select.default,
    aten._unique2.default,
    aten.unique_dim.default,
    aten.unique_consecutive.default,
    aten.repeat_interleave.Tensor,
    aten.bincount.default,
}
COPIES = {aten._to_copy.default, aten.copy_.default}
# in place, and without a form for tensors that hold nothing
WITHOUT_RESULT = {aten._fused_adamw_.default, aten._fused_adamw_.tensor_lr}
# they compute nothing: views are known by their schema, these allocate only
FREE = {
    aten.empty.memory_format,
    aten.empty_strided.default,
    aten.empty_like.default,
    aten.new_empty.default,
    aten.new_empty_strided.default,
    aten._unsafe_view.default,
    aten._reshape_alias.default,
    aten.detach.default,
    aten.alias.default,
    aten.lift_fresh.default,
}


class Launches(TorchDispatchMode):
    """Counts what is asked of tensors that are not on the CPU.

    Attributes:
        operators: how often each is called; views and allocations are left out.
        waits: likewise, those for whose result the host would wait for the device.
        uploads: copies from the host to the device.
        floating: those of `operators` that compute floating point numbers.
        dtypes: of all that they compute.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operators: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()
        self.uploads = 0
        self.floating: set[str] = set()
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        inputs = [t for t in tree_iter((args, kwargs)) if isinstance(t, Tensor)]
        is_device_read = any(_is_device(t) for t in inputs)
        if func in READS and is_device_read:
            self.waits[_name(func)] += 1
            return 1.0
        if func in COPIES and is_device_read and _is_host_copy(func, args, kwargs):
            self.waits[_name(func)] += 1
            return _content_of(args, func)
        if is_device_read and (func in SIZED_BY_CONTENT or _is_masked(func, args)):
            self.waits[_name(func)] += 1
        result = None if func in WITHOUT_RESULT else func(*args, **kwargs)
        made = [t for t in tree_iter(result) if isinstance(t, Tensor)]
        if func not in FREE and not func.is_view and any(_is_device(t) for t in made + inputs):
            self.operators[_name(func)] += 1
            self.uploads += func in COPIES and not is_device_read
            self.dtypes |= {t.dtype for t in made if _is_device(t)}
            if any(t.is_floating_point() for t in made):
                self.floating.add(_name(func))
        return result

    @property
    def total(self) -> int:
        """Operators called."""
        return sum(self.operators.values())


def _is_masked(func: Any, args: tuple) -> bool:
    """Whether a tensor is indexed by a mask, which has to be counted first."""
    if func not in (aten.index.Tensor, aten.index_put.default, aten.index_put_.default):
        return False
    return any(t is not None and t.dtype in (torch.bool, torch.uint8) for t in args[1])


def _name(func: Any) -> str:
    return str(func).removeprefix("aten.")


def _is_device(tensor: Tensor) -> bool:
    return tensor.device.type != "cpu"


def _is_host_copy(func: Any, args: tuple, kwargs: dict[str, Any]) -> bool:
    if func is aten.copy_.default:
        return not _is_device(args[0]) and _is_device(args[1])
    device = kwargs.get("device")
    return device is not None and torch.device(device).type == "cpu"


def _content_of(args: tuple, func: Any) -> Tensor:
    """Numbers of the right shape, all different: costs of a matcher, or 1, 0: finite, no stop."""
    if func is aten.copy_.default:
        return args[0]
    shape, dtype = args[0].shape, args[0].dtype
    if dtype == torch.bool:
        return torch.ones(shape, dtype=dtype)
    return torch.arange(shape.numel()).flip(0).to(dtype).reshape(shape)


def attention_on_a_gpu(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, dropout_p: float = 0.0
) -> Tensor:
    """What PyTorch calls there: one kernel, with the mask as a term of the scores."""
    if mask is not None:
        if mask.dtype == torch.bool:
            mask = torch.where(mask, 0.0, query.new_full((), -torch.inf))
        mask = mask.expand(*query.shape[:-1], key.shape[-2])
    attend = aten._scaled_dot_product_efficient_attention
    return attend(query, key, value, mask, query.requires_grad, dropout_p)[0]


@contextmanager
def like_a_gpu(sampling: str = "triton") -> Iterator[None]:
    """What the `meta` device lacks: operators of attention, and autocast (off).

    Args:
        sampling: the implementation of deformable attention, see `ms_deform_attn/selection.py`.
    """
    place = "aligndetr.layers.ms_deform_attn.operator.implementation"
    fused = "torch.optim.adam._device_dtype_check_for_fused"
    with (
        mock.patch(place, return_value=sampling),
        mock.patch(fused),
        mock.patch("torch.nn.functional.scaled_dot_product_attention", attention_on_a_gpu),
        mock.patch("torch.nn.utils.clip_grad._has_foreach_support", return_value=True),
        mock.patch("torch.is_autocast_enabled", return_value=False),
        mock.patch("torch.fx.experimental._config.meta_nonzero_assume_all_nonzero", True),
        mock.patch("torch.autocast", side_effect=lambda *which, **options: nullcontext()),
    ):
        yield


def make_model(name: str) -> tuple[DictConfig, nn.Module]:
    """A shipped config and its model, without content."""
    config = LazyConfig.load(resolve_config(name))
    config.model.num_classes = 80
    with torch.device("meta"):
        return config, instantiate(config.model)


def training_step(name: str, batch: list[dict], sampling: str = "triton") -> Launches:
    """One step of a shipped config as the trainer makes it, with optimizer and moving average."""
    config, model = make_model(name)
    with like_a_gpu(sampling):
        optimizer = build_optimizer(config, model, 1.0)
        trainer = Trainer(
            model, itertools.repeat(batch), optimizer, clip_grad=dict(config.train.clip_grad.params)
        )
        trainer.register_hooks([EMAHook(ModelEMA(model))])
        with Launches():
            trainer.train(0, 1)  # in which the optimizer makes its state
        with Launches() as launches:
            trainer.train(1, 2)
    return launches


def evaluation(name: str, batch: list[dict], sampling: str = "triton") -> Launches:
    """One batch of a shipped config, in evaluation."""
    _, model = make_model(name)
    with like_a_gpu(sampling), torch.no_grad(), Launches() as launches:
        model.eval()(batch)
    return launches


def table() -> str:
    """Steps and evaluations of some models, and the operators that are called most."""
    lines = [
        "| model, images | operators of a step | waits | uploads | of an evaluation | waits |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    top = []
    for name, images in MODELS:
        batch = make_batch(images, 256)
        step, found = training_step(name, batch), evaluation(name, batch)
        lines.append(
            f"| `{name}`, {images} | {step.total} | {step.waits.total()} | {step.uploads} | "
            f"{found.total} | {found.waits.total()} |"
        )
        if (name, images) == MODELS[0]:
            top = [f"{operator} {count}" for operator, count in step.operators.most_common(16)]
    return "\n".join([*lines, "", f"Most often in the first one's step: {', '.join(top)}."])


if __name__ == "__main__":
    replace_section(DOCS, "launches", table())
