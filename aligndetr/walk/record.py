"""A walk as plain data, for files and other programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from aligndetr.walk.letters import Letters
from aligndetr.walk.step import Item, Step, Value
from aligndetr.walk.walking import Walk

FORMAT = 1


def to_dict(walk: Walk) -> dict[str, Any]:
    """Everything but the kept tensors and the model's result, in types that JSON knows."""
    return {
        "format": FORMAT,
        "letters": dict(walk.letters.sizes),
        "maps": [[*names, *sizes] for names, sizes in walk.letters.maps.items()],
        "without_channels": list(walk.letters.without_channels),
        "root": _step_to_dict(walk.root),
    }


def from_dict(content: Mapping[str, Any]) -> Walk:
    """The walk that `to_dict` described.

    Raises:
        ValueError: it is of another version.
    """
    if content.get("format") != FORMAT:
        raise ValueError(f"format {content.get('format')} of a walk is not known, {FORMAT} is")
    maps = {(row[0], row[1]): (row[2], row[3]) for row in content["maps"]}
    letters = Letters(dict(content["letters"]), maps, tuple(content["without_channels"]))
    return Walk(_step_from_dict(content["root"]), letters)


def _step_to_dict(step: Step) -> dict[str, Any]:
    plain = {field.name: getattr(step, field.name) for field in dataclasses.fields(step)}
    plain["inputs"] = [_item_to_dict(item) for item in step.inputs]
    plain["output"] = _item_to_dict(step.output) if step.output else None
    plain["children"] = [_step_to_dict(child) for child in step.children]
    return plain


def _item_to_dict(item: Item) -> dict[str, Any]:
    return {"name": item.name, "kind": item.kind, "values": [_value(v) for v in item.values]}


def _value(value: Value) -> dict[str, Any]:
    plain = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    del plain["tensor"]
    return plain | {"shape": list(value.shape), "letters": list(value.letters)}


def _step_from_dict(plain: Mapping[str, Any]) -> Step:
    output = plain["output"]
    return Step(
        **{
            **plain,
            "inputs": [_item_from_dict(item) for item in plain["inputs"]],
            "output": None if output is None else _item_from_dict(output),
            "children": [_step_from_dict(child) for child in plain["children"]],
        }
    )


def _item_from_dict(plain: Mapping[str, Any]) -> Item:
    values = [
        Value(**{**value, "shape": tuple(value["shape"]), "letters": tuple(value["letters"])})
        for value in plain["values"]
    ]
    return Item(plain["name"], plain["kind"], values)
