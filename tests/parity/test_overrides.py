"""Command-line overrides: the published results, but for what ours refuses or adds on purpose.

Deliberate differences are rules over (base, override), never a list of cases:
- a path that does not exist, without `+`, is an error (published: it is created);
- a value of another type than the old one is an error, also inside lists and dicts;
- casts, functions and sweeps of the published grammar have no meaning: text, or an error;
- `~path` deletes (published: not implemented);
- a value may hold `=` (published: a parse error); it then is the text after the first one;
- `None` is null (published: the text "None").
Everything else must equal the published result, or raise.
"""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from omegaconf import OmegaConf

from aligndetr.config import apply_overrides
from aligndetr.config.nodes import to_node
from aligndetr.errors import ConfigError
from tests.parity.golden import Golden, for_each

MISSING = object()


def numbers(golden: Golden) -> list[str]:
    return [str(index) for index in range(len(golden.json["cases"]))]


class Rules:
    """What the rules above say about a sequence of overrides of a base config."""

    def __init__(self, base: dict[str, Any], result: dict[str, Any] | None) -> None:
        self.config = copy.deepcopy(base)
        self.result = result
        self.must_raise = self.anything = self.decided = False

    def read(self, override: str) -> None:
        """Take the next override."""
        if override.startswith("~"):
            self._delete(override[1:])
            return
        key, equals, value = override.partition("=")
        path = key.lstrip("+")
        if not equals or not re.fullmatch(r"[^\s.=\[\]]+(\.[^\s.=\[\]]+)*", path):
            self.must_raise = True
        elif (old := lookup(self.config, path)) is MISSING:
            self.must_raise |= key == path
            self._adopt(path)
        else:
            self._assign(path, old, value)

    def _delete(self, path: str) -> None:
        parent, _, name = path.rpartition(".")
        container = lookup(self.config, parent) if parent else self.config
        if isinstance(container, dict) and name in container:
            del container[name]
            self.decided = True
        else:
            self.must_raise = True

    def _assign(self, path: str, old: Any, value: str) -> None:
        quoted = value[:1] in "'\"" and value[-1:] == value[:1] and len(value) > 1
        if not quoted and ("=" in value or value == "None"):
            self.decided = True
            new = value if "=" in value else None
        elif not quoted and re.search(r"^\w+\(|^[^\[{]*,", value):
            self.anything = True
            return
        else:
            new = MISSING if self.result is None else lookup(self.result, path)
        if new is MISSING:  # published: an error, and no rule says otherwise
            self.must_raise = self.must_raise or self.result is None
        elif not fits(old, new):
            self.must_raise = True
        else:
            store(self.config, path, new)

    def _adopt(self, path: str) -> None:
        if self.result is not None and lookup(self.result, path) is not MISSING:
            store(self.config, path, lookup(self.result, path))


def lookup(config: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(config, dict) and part in config:
            config = config[part]
        elif isinstance(config, list) and part.isdigit() and int(part) < len(config):
            config = config[int(part)]
        else:
            return MISSING
    return config


def store(config: Any, path: str, value: Any) -> None:
    *parents, name = path.split(".")
    for part in parents:
        config = config[int(part)] if isinstance(config, list) else config.setdefault(part, {})
    config[int(name) if isinstance(config, list) else name] = copy.deepcopy(value)


def fits(old: Any, new: Any) -> bool:
    """Whether the old value's type admits the new one."""
    if old is None or new is None:
        return True
    if isinstance(old, dict):
        return isinstance(new, dict) and all(fits(old.get(key), new[key]) for key in new)
    if isinstance(old, list):
        return isinstance(new, list) and all(fits(old[0], item) for item in new if old)
    if isinstance(old, bool) or isinstance(new, bool):
        return isinstance(old, bool) and isinstance(new, bool)
    if isinstance(old, int):
        return isinstance(new, (int, float)) and new == int(new)
    return isinstance(new, (int, float) if isinstance(old, float) else type(old))


@for_each("lazyconfig_overrides*.json", cases=numbers)
def test_overrides(case, compare):
    content = case.json
    published = content["cases"][int(case.prefix)]
    config = to_node(copy.deepcopy(content["base"]))
    plain = OmegaConf.to_container(config)
    rules = Rules(plain, published.get("result"))
    for override in published["opts"]:
        rules.read(override)

    if rules.must_raise:
        with pytest.raises(ConfigError):
            apply_overrides(config, published["opts"])
        compare.equal("refused", True, True)
        return
    try:
        ours = OmegaConf.to_container(apply_overrides(config, published["opts"]), resolve=True)
    except ConfigError:
        assert not rules.decided, "a rule says that this works here"
        compare.equal("refused", True, True)
        return
    if rules.decided:
        expected = OmegaConf.to_container(to_node(rules.config), resolve=True)
        compare.equal("works here only", ours, expected)
    elif not rules.anything:
        compare.equal("result", ours, published.get("result", MISSING))
