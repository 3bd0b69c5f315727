"""What to say and keep when a loss is no longer a number."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aligndetr.distributed import rank
from aligndetr.engine.finite import describe_nonfinite
from aligndetr.errors import CheckpointError, TrainingError, UserError
from aligndetr.files import atomic_write
from aligndetr.structures import Boxes, Instances

logger = logging.getLogger(__name__)

Batch = list[dict[str, Any]]


def nonfinite_error(
    losses: Mapping[str, Tensor],
    model: nn.Module,
    batches: Sequence[Batch],
    iteration: int,
    folder: Path | None,
) -> TrainingError:
    """Describe the failure and save the batch.

    Args:
        losses: scalar losses by name, summed over the micro-batches.
        model: with the gradients of the step.
        batches: the micro-batches of this process.
        iteration: where it happened.
        folder: gets the batch; None saves nothing.
    """
    values = {name: float(value) for name, value in losses.items()}
    wrong = [name for name, value in losses.items() if not torch.isfinite(value)]
    images = [_image_name(item) for batch in batches for item in batch]
    lines = [
        f"iteration {iteration}: "
        + (f"not finite: {', '.join(wrong)}" if wrong else "losses are finite, a gradient is not"),
        f"images: {', '.join(images)}",
    ]
    weights = describe_nonfinite(dict(model.named_parameters()))
    lines += [f"weights, before this step already: {weights}"] if weights else []
    if not wrong:
        gradients = {name: p.grad for name, p in model.named_parameters()}
        lines.append(f"gradients: {describe_nonfinite(gradients) or 'their norm is not finite'}")
    if folder is not None:
        path = folder / f"nonfinite_{iteration:07d}_rank{rank()}.pth"
        lines.append(_dumped(path, batches, iteration=iteration, losses=values))
    lines.append(
        "The weights were not changed by this step. A smaller learning rate, a warm-up, "
        "train.clip_grad, or bfloat16 instead of float16 may help"
    )
    return TrainingError("\n  ".join(lines))


def _dumped(path: Path, batches: Sequence[Batch], **extra: Any) -> str:
    try:
        save_batches(path, batches, **extra)
    except UserError as error:
        return f"the batch is not kept: {error}"
    return f"the batch is in {path}; aligndetr.engine.nonfinite.load_batches reads it"


def _image_name(item: Mapping[str, Any]) -> str:
    return f"{item.get('image_id', '?')} ({item.get('file_name', 'no file name')})"


def save_batches(path: Path, batches: Sequence[Batch], **extra: Any) -> None:
    """Write batches as plain tensors and numbers, so that they load without trusting the file."""
    content = {"batches": [[_plain(item) for item in batch] for batch in batches], **extra}
    with atomic_write(path, "wb") as file:
        torch.save(content, file)


def load_batches(path: str | Path) -> list[Batch]:
    """Micro-batches as the model takes them, from a file that a failed training wrote.

    Raises:
        CheckpointError: the file is missing or broken.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        return [[_item(plain) for plain in batch] for batch in content["batches"]]
    except Exception as error:
        raise CheckpointError(f"cannot read batches from {path}: {error}") from error


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in item.items() if _is_plain(value)}
    instances = item.get("instances")
    if instances is not None:
        fields = instances.get_fields()
        plain["instances"] = {
            "image_size": list(instances.image_size),
            **{name: getattr(value, "tensor", value) for name, value in fields.items()},
        }
    return plain


def _is_plain(value: Any) -> bool:
    return isinstance(value, Tensor | str | int | float | bool | None)


def _item(plain: dict[str, Any]) -> dict[str, Any]:
    item = dict(plain)
    if "instances" in item:
        fields = dict(item["instances"])
        size = tuple(fields.pop("image_size"))
        boxes = {n: Boxes(v) if n.endswith("boxes") else v for n, v in fields.items()}
        item["instances"] = Instances(size, **boxes)
    return item
