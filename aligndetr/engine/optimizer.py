"""Which parameter gets which learning rate and weight decay."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import Optimizer

from aligndetr.config import instantiate
from aligndetr.engine.layer_decay import LayerwiseDecay
from aligndetr.errors import CheckpointError, ConfigError

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm, nn.RMSNorm)


def build_optimizer(config: DictConfig, model: nn.Module, lr_factor: float) -> Optimizer:
    """The optimizer over the model's parameters.

    Args:
        config: `optimizer.params` is a call that gets the model, see `parameter_groups`.
        model: to optimize.
        lr_factor: what all learning rates are multiplied by.

    Raises:
        ConfigError: it is none.
    """
    node = config.optimizer.get("params")
    if not (isinstance(node, Mapping) and "_target_" in node):
        raise ConfigError(
            "optimizer.params must be a call that takes the model, such as "
            "L(parameter_groups)(base_lr=1e-4)"
        )
    optimizer = instantiate(config.optimizer, params=instantiate(node, model=model))
    for group in optimizer.param_groups:
        group["lr"] *= lr_factor
    return optimizer


@contextmanager
def settings_kept(optimizer: Optimizer) -> Generator[None]:
    """The block may load a state dict: settings such as weight decay stay the config's.

    All but the learning rates, which the scheduler sets.
    """
    before = [
        {name: value for name, value in group.items() if name not in ("params", "lr")}
        for group in optimizer.param_groups
    ]
    yield
    for group, settings in zip(optimizer.param_groups, before, strict=True):
        group.update(settings)


def check_moments(optimizer: Optimizer) -> None:
    """Refuse a loaded state that is not of these parameters.

    What an optimizer remembers of a parameter is one number, or has its shape, or that of a mean
    over some of its dimensions; and it remembers the same of each that it has changed.

    Raises:
        CheckpointError: it has another, or is not the same.
    """
    for parameter, state in optimizer.state.items():
        if not isinstance(state, Mapping):
            raise CheckpointError(f"it holds a {type(state).__name__} for a parameter")
        for name, value in state.items():
            if isinstance(value, Tensor) and value.dim() and not _fits(value, parameter):
                raise CheckpointError(
                    f"{name} has shape {tuple(value.shape)} for a parameter of shape "
                    f"{tuple(parameter.shape)}"
                )
    changed = [(parameter, state) for parameter, state in optimizer.state.items() if state]
    for name in dict.fromkeys(name for _, state in changed for name in state):
        kinds = dict.fromkeys(_kind(state, name, parameter) for parameter, state in changed)
        kinds.pop(None, None)
        if len(kinds) > 1:
            first, second, *_ = kinds
            raise CheckpointError(f"{name} of a parameter is {first}, of another {second}")


def _kind(state: Mapping[str, Any], name: str, parameter: Tensor) -> str | None:
    """What is remembered under a name; None if that cannot be told, of a single number."""
    if name not in state:
        return "missing"
    if not isinstance(state[name], Tensor):
        return type(state[name]).__name__
    if not parameter.dim():
        return None
    return "a tensor" if state[name].dim() else "one number"


def _fits(value: Tensor, parameter: Tensor) -> bool:
    sizes = zip(value.shape, parameter.shape, strict=False)
    return value.dim() == parameter.dim() and all(size in (1, full) for size, full in sizes)


def parameter_groups(
    model: nn.Module,
    base_lr: float,
    weight_decay: float | None = None,
    weight_decay_norm: float | None = 0.0,
    lr_factor: Mapping[str, float] | LayerwiseDecay | Callable[[str], float] | None = None,
    weight_decay_overrides: Mapping[str, float] | None = None,
) -> list[dict[str, Any]]:
    """Optimizer groups: one for each distinct pair of learning rate and weight decay.

    Parameters without gradient are left out; one that is shared by modules counts once, under its
    first name. A pattern is one or more whole components of a parameter's dotted name: `backbone`
    matches `backbone.stem.conv1.weight`, `sampling_offsets` matches it in every layer, `bias` all
    biases. Where several patterns match, learning rate factors multiply and the last weight decay
    holds.

    Args:
        model: the model; a run gives it, so a config leaves it out.
        base_lr: learning rate before factors.
        weight_decay: None leaves it to the optimizer's own argument.
        weight_decay_norm: weight decay of normalisation layers; None: as for all others.
        lr_factor: factor by pattern, such as {"backbone": 0.1}; a `LayerwiseDecay`; or a function
            of the full name.
        weight_decay_overrides: weight decay by pattern, such as {"bias": 0.0}.

    Raises:
        ConfigError: a pattern matches nothing in the model, or there is nothing to train.
    """
    names = list(model.state_dict())  # what is frozen may be named: there is nothing wrong with it
    if isinstance(lr_factor, LayerwiseDecay):
        lr_factor = lr_factor.among([name for name, _ in model.named_parameters()])
    factor_of = _lr_factor_function(lr_factor, names)
    overrides = dict(weight_decay_overrides or {})
    _check_patterns(overrides, names, "weight_decay_overrides")

    groups: dict[tuple[float, float | None], dict[str, Any]] = {}
    for name, parameter, module in _trained(model):
        decay = weight_decay
        if isinstance(module, NORMS) and weight_decay_norm is not None:
            decay = weight_decay_norm
        for pattern, value in overrides.items():
            decay = value if _matches(pattern, name) else decay
        lr = base_lr * factor_of(name)
        group = groups.setdefault((lr, decay), _new_group(lr, decay))
        group["params"].append(parameter)
    if not groups:
        raise ConfigError("the model has no parameter that requires a gradient: nothing to train")
    return list(groups.values())


def _new_group(lr: float, decay: float | None) -> dict[str, Any]:
    group: dict[str, Any] = {"params": [], "lr": lr}
    if decay is not None:
        group["weight_decay"] = decay
    return group


def _trained(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Module]]:
    seen = set()
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad and parameter not in seen:
                seen.add(parameter)
                yield f"{prefix}.{name}" if prefix else name, parameter, module


def _lr_factor_function(
    lr_factor: Mapping[str, float] | Callable[[str], float] | None, names: list[str]
) -> Callable[[str], float]:
    if lr_factor is not None and not isinstance(lr_factor, Mapping):
        return lr_factor
    factors = dict(lr_factor or {})
    _check_patterns(factors, names, "lr_factor")

    def product(name: str) -> float:
        result = 1.0
        for pattern, factor in factors.items():
            result *= factor if _matches(pattern, name) else 1.0
        return result

    return product


def _matches(pattern: str, name: str) -> bool:
    return f".{pattern}." in f".{name}."


def _check_patterns(patterns: Mapping[str, float], names: list[str], argument: str) -> None:
    for pattern in patterns:
        if not any(_matches(pattern, name) for name in names):
            modules = sorted({name.split(".")[0] for name in names})
            raise ConfigError(
                f"{argument}: {pattern!r} matches no parameter; a pattern is made of whole "
                f"components of a name, whose first ones here are {', '.join(modules)}"
            )
