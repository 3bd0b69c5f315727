"""Objects of a user's own that a config lists: hooks, writers, evaluators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from aligndetr.config import instantiate
from aligndetr.errors import ConfigValueError


def listed_parts(config: DictConfig, key: str, kind: type, methods: Sequence[str]) -> list[Any]:
    """Build what a list of the config describes.

    Args:
        config: of the run.
        key: of the list, such as "train.hooks"; null or absent: nothing.
        kind: a class that has all of the methods, to be named where one is missing.
        methods: what is called on each.

    Raises:
        ConfigValueError: it is no list, or an object lacks one of the methods.
    """
    node = OmegaConf.select(config, key)
    if node is not None and not OmegaConf.is_list(node):
        raise ConfigValueError(
            f"{key} must be a list, as in {key}=[L(MyClass)()], not {node!r:.60}"
        )
    parts = instantiate(node or [])
    for index, part in enumerate(parts):
        check_part(part, f"{key}[{index}]", kind, methods)
    return parts


def check_part(part: Any, path: str, kind: type, methods: Sequence[str]) -> None:
    """Refuse an object that lacks one of the methods; arguments as of `listed_parts`."""
    missing = [name for name in methods if not callable(getattr(part, name, None))]
    if missing:
        raise ConfigValueError(
            f"{path} is {part!r:.60}, which has no method {missing[0]}: describe an object by "
            f"_target_, of a subclass of {kind.__module__}.{kind.__qualname__}"
        )
