"""Parts of a model that a training leaves as they are, chosen by the names of modules."""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from aligndetr.errors import ConfigError, did_you_mean
from aligndetr.layers.norm import freeze_batch_norm

logger = logging.getLogger(__name__)

FREEZE = "train.freeze"


def freeze_parts(model: nn.Module, patterns: Sequence[str]) -> None:
    """Train nothing of the parts that patterns match, and say in the log how much that is.

    A pattern is compared with the whole dotted names of modules and parameters, as a shell does:
    `backbone` and `backbone.*` match the backbone, `*.self_attention` those of all layers,
    `backbone.res[23]*` two stages. A module's batch norms become constants, statistics included.

    Args:
        model: changed in place; its weights may be loaded afterwards.
        patterns: none of which may match nothing.

    Raises:
        ConfigError: a pattern matches nothing, or nothing that has parameters.
    """
    if not patterns:
        return
    chosen = [_matched(model, pattern) for pattern in patterns]
    frozen = {id(parameter): parameter.numel() for part in chosen for parameter in part.values()}
    total = sum(parameter.numel() for parameter in model.parameters())
    names = {name for part in chosen for name in part}
    norms = [
        name
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and {f"{name}.weight", f"{name}.bias"} <= names
    ]
    for part in chosen:
        for parameter in part.values():
            parameter.requires_grad_(False)
    for name in norms:
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, freeze_batch_norm(model.get_submodule(name)))
    logger.info(
        "frozen by %s: %s of %s parameters, in %d tensors; %d batch norms are constants",
        list(patterns), f"{sum(frozen.values()):,}", f"{total:,}", len(frozen), len(norms),
    )  # fmt: skip


def _matched(model: nn.Module, pattern: str) -> dict[str, nn.Parameter]:
    """Parameters, by name, that a pattern matches or that are in a module it matches."""
    if not isinstance(pattern, str) or not pattern:
        raise ConfigError(f"{FREEZE}: {pattern!r} is no pattern; give names such as backbone.*")
    parameters = dict(model.named_parameters(remove_duplicate=False))
    names = [name for name, _ in model.named_modules() if name] + list(parameters)
    matched = fnmatch.filter(names, pattern)
    if not matched:
        parts = ", ".join(name for name, _ in model.named_children())
        hint = did_you_mean(pattern, names) or f"; the parts of the model are {parts}"
        raise ConfigError(f"{FREEZE}: {pattern!r} matches no module and no parameter{hint}")
    found = {
        name: parameter
        for name, parameter in parameters.items()
        if any(f"{name}.".startswith(f"{part}.") for part in matched)
    }
    if not found:
        raise ConfigError(f"{FREEZE}: {pattern!r} matches {matched[0]}, which has no parameters")
    return found
