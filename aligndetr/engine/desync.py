"""What all processes of a training must have in common, compared; a difference is named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from aligndetr.config.difference import differences
from aligndetr.config.nodes import to_plain
from aligndetr.data import DetectionDataset
from aligndetr.distributed import all_gather_object, world_size
from aligndetr.engine.launch import TIMEOUT_S
from aligndetr.engine.plan import Plan
from aligndetr.errors import ConfigError, DataError, UserError, some

TIMEOUT = "train.desync_guard.timeout"
_MOST_RECORDS = 200_000  # that are compared in full
_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def timeout_of(config: DictConfig) -> float:
    """Seconds that processes wait for one of them.

    Raises:
        ConfigError: it is no positive number.
    """
    value = OmegaConf.select(config, TIMEOUT)
    if value is None:
        return TIMEOUT_S
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        raise ConfigError(f"{TIMEOUT}={value!r} must be a number of seconds")
    return float(value)


def check_config(config: DictConfig) -> None:
    """Compare the config of this process with those of all others; all must call it.

    Raises:
        ConfigError: one differs, on all processes.
    """
    if world_size() == 1:
        return
    digests = all_gather_object(digest(repr(to_plain(config))))
    if len(set(digests)) == 1:
        return
    configs = all_gather_object(config)
    for index, other in enumerate(configs):
        found = differences(configs[0], other)
        if found:
            keys = [f"{d.key} is {d.second!r} there, {d.first!r} here" for d in found]
            raise common(
                ConfigError(
                    f"process {index} has another config than process 0: {some(keys)}; give all "
                    "processes the same"
                )
            )


def check_data(dataset: Any, plan: Plan) -> None:
    """The same for the training's dataset, and for what follows from it; all must call it.

    Raises:
        DataError: they differ, on all processes.
    """
    if world_size() == 1:
        return
    own = {
        "number of images": _length(dataset),
        "classes": list(getattr(dataset, "class_names", None) or ()),
        "images and boxes": _digest_of_records(dataset),
        "number of iterations": plan.max_iter,
        "total batch size": plan.total_batch_size,
    }
    found = list(unequal(all_gather_object(own)))
    if found:
        raise common(
            DataError(
                f"the processes would train on different data: {found[0]}; all need the same "
                "annotation files"
            )
        )


def unequal(values: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Sentences about the names whose values are not the same everywhere.

    Args:
        values: by process, what each has under the same names.
    """
    for name, first in values[0].items():
        others = [index for index, own in enumerate(values) if own[name] != first]
        if others:
            shown = f"{str(values[others[0]][name])[:80]}, on process 0 {str(first)[:80]}"
            yield f"{name} on process {some(others)}: {shown}"


def parameter_checksums(model: nn.Module) -> list[int]:
    """A sum over the bits of each parameter that every process has as a whole.

    One synchronisation with the device; -1 stands for a parameter of which each has a part.
    """
    sums = [
        _bits(parameter) if _is_whole(parameter) else torch.tensor(-1)
        for parameter in model.parameters()
    ]
    device = next(model.parameters()).device
    return torch.stack([value.to(device) for value in sums]).tolist() if sums else []


def overlapping(samples: Sequence[Iterable[Any]]) -> Iterator[str]:
    """Sentences about processes that train on the same samples in a step; None counts nothing."""
    owner: dict[Any, int] = {}
    for index, own in enumerate(samples):
        shared = {owner[sample] for sample in own if sample in owner}
        if shared:
            yield f"images: process {index} trains on the same ones as process {min(shared)}"
        owner.update((sample, index) for sample in own if sample is not None)


def digest(text: str) -> str:
    """Of a text; equal texts have equal ones in every process."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def common(error: UserError) -> UserError:
    """The error, marked as one that all processes raise."""
    error.of_all = True
    return error


def _bits(parameter: Tensor) -> Tensor:
    flat = parameter.detach().reshape(-1)
    return flat.view(_INTEGERS[flat.element_size()]).sum(dtype=torch.int64)


def _is_whole(parameter: Tensor) -> bool:
    """Whether it is no shard."""
    return type(parameter.data) is Tensor


def _length(dataset: Any) -> int | None:
    return len(dataset) if hasattr(dataset, "__len__") else None


def _digest_of_records(dataset: Any) -> str | None:
    """Of what counts of a dataset; not of paths, which may differ between machines.

    Of millions of images, the annotations of evenly spaced ones.
    """
    if not isinstance(dataset, DetectionDataset):
        return None
    chosen = range(0, len(dataset), max(1, len(dataset) // _MOST_RECORDS))
    records = (dataset[index] for index in chosen)
    lines = (json.dumps([record["image_id"], record["annotations"]]) for record in records)
    return digest("\n".join([dataset.image_sizes.tobytes().hex(), *lines]))
