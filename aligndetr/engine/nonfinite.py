"""What to say and keep when a loss is no longer a number."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aligndetr.distributed import rank
from aligndetr.errors import CheckpointError, TrainingError
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
    weights = _names(p for p in model.named_parameters() if not torch.isfinite(p[1]).all())
    lines += [f"weights that are not finite: {weights}"] if weights else []
    if not wrong:
        bad = _names(
            (name, p)
            for name, p in model.named_parameters()
            if p.grad is not None and not torch.isfinite(p.grad).all()
        )
        lines.append(f"gradients that are not finite: {bad}")
    if folder is not None:
        path = folder / f"nonfinite_{iteration:07d}_rank{rank()}.pth"
        save_batches(path, batches, iteration=iteration, losses=values)
        lines.append(
            f"the batch is in {path}; aligndetr.engine.nonfinite.load_batches reads it. The "
            "weights of this step were not changed by it. A smaller learning rate, a warm-up, "
            "train.clip_grad, or bfloat16 instead of float16 may help"
        )
    return TrainingError("\n  ".join(lines))


def _image_name(item: Mapping[str, Any]) -> str:
    return f"{item.get('image_id', '?')} ({item.get('file_name', 'no file name')})"


def _names(named: Any, most: int = 5) -> str:
    names = [name for name, _ in named]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


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
