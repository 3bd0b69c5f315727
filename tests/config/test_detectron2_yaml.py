"""Yaml files that detectron2's `LazyConfig.save` leaves of our configs: their tags and their text.

It replaces each `_target_` by its name and dumps everything else with PyYAML's full dumper, which
writes functions and classes as `!!python/name:` and other objects as `!!python/object...`.
"""

import collections
import fractions
import math
import sys

import pytest
import torch
import yaml
from omegaconf import OmegaConf

from aligndetr.config import (
    Dialect,
    LazyCall,
    LazyConfig,
    foreign,
    instantiate,
)
from aligndetr.config.find_file import resolve_config
from aligndetr.errors import ConfigError


def their_yaml(config):
    plain = OmegaConf.to_container(config, resolve=False)
    return yaml.dump(named(plain), default_flow_style=None, allow_unicode=True, width=9999)


def named(value):
    if isinstance(value, list):
        return [named(item) for item in value]
    if not isinstance(value, dict):
        return value
    plain = {key: named(item) for key, item in value.items()}
    if callable(plain.get("_target_")):
        target = plain["_target_"]
        plain["_target_"] = f"{target.__module__}.{target.__qualname__}"
    return plain


@pytest.mark.parametrize("name", ["dab_detr_tiny", "rtdetr_tiny"])
def test_our_configs_saved_by_detectron2_build_the_same_model(name, tmp_path):
    config = LazyConfig.load(resolve_config(name))
    config.model.num_classes = 3
    text = their_yaml(config)
    assert "!!python/name:aligndetr." in text
    (tmp_path / "config.yaml").write_text(text)
    again = LazyConfig.load(tmp_path / "config.yaml")
    with torch.device("meta"):
        models = [instantiate(one.model) for one in (config, again)]
    assert repr(models[0]) == repr(models[1])
    assert again.train == config.train


def test_reading_a_name_imports_nothing(write):
    path = write(
        "c.yaml",
        """
        part: {_target_: builtins.dict, f: !!python/name:aligndetr.no_such_room.f ''}
        other: {_target_: antigravity.fly, f: {_target_: aligndetr.config.locate, name: this.s}}
        lost: {_target_: antigravity.fly, f: {_source_: 'lambda: 1'}}
        """,
    )
    config = LazyConfig.read(path)
    with pytest.raises(ConfigError):
        LazyConfig.load(path)
    assert not {"antigravity", "this"} & set(sys.modules)
    with pytest.raises(ConfigError, match=r"part\.f: cannot import 'aligndetr\.no_such_room\.f'"):
        instantiate(config.part)


def test_the_name_is_kept_and_saved_again_as_we_save_it(write, tmp_path):
    path = write("c.yaml", "a: &id001 !!python/name:aligndetr.config.locate ''\nb: *id001\n")
    LazyConfig.save(LazyConfig.read(path), tmp_path / "again.yaml")
    name = {"_target_": "aligndetr.config.locate", "name": "aligndetr.config.locate"}
    assert yaml.safe_load((tmp_path / "again.yaml").read_text()) == {"a": name, "b": name}


class Text(Dialect):
    """As a dialect may do that understands some names and leaves the others as text."""

    def construct_tag(self, loader, tag, node):
        return tag.replace("tag:yaml.org,2002:", "!!")

    def translate(self, config, source):
        if "theirs" in config:
            config.theirs = "translated"
        return config


@pytest.fixture(params=["strict", "with a dialect"])
def dialects(request, monkeypatch):
    monkeypatch.setattr(foreign, "_dialects", [Text()] if request.param != "strict" else [])


@pytest.mark.parametrize(
    "value",
    [
        math.sqrt,
        torch.nn.GELU,
        collections.Counter,
        fractions.Fraction(1, 3),
        collections.OrderedDict(a=1),
        1 + 2j,
        math,
    ],
)
def test_other_objects_are_refused_and_never_become_text(write, dialects, value):
    text = yaml.dump({"a": {"b": [value]}})
    assert "!!python/" in text
    path = write("c.yaml", text)
    with pytest.raises(ConfigError, match=r"c\.yaml.*!!python/"):
        LazyConfig.load(path)


def test_a_refused_name_says_how_it_is_written(write, monkeypatch):
    monkeypatch.setattr(foreign, "_dialects", [])  # one would take the tag, and refuse it later
    path = write("c.yaml", "a: 1\nb: !!python/name:torch.nn.GELU ''\n")
    with pytest.raises(ConfigError) as caught:
        LazyConfig.load(path)
    assert str(caught.value).startswith(f"{path}:2: the tag !!python/name:torch.nn.GELU ")
    remedy = "{_target_: aligndetr.config.locate, name: torch.nn.GELU}"
    assert remedy in str(caught.value)
    path.write_text(f"b: {{_target_: builtins.dict, act: {remedy}}}")
    assert instantiate(LazyConfig.load(path).b) == {"act": torch.nn.GELU}


def test_a_package_whose_name_starts_alike_is_not_ours(write):
    with pytest.raises(ConfigError, match="aligndetrx"):
        LazyConfig.load(write("c.yaml", "b: !!python/name:aligndetrx.f ''\n"))


def test_what_a_dialect_translates_away_is_fine(write, monkeypatch):
    monkeypatch.setattr(foreign, "_dialects", [Text()])
    config = LazyConfig.load(write("c.yaml", "theirs: !!python/name:elsewhere.f ''\n"))
    assert config == {"theirs": "translated"}


def test_tuples_are_lists(write):
    path = write("c.yaml", yaml.dump({"a": (1, (2.5, "x")), "b": [()]}))
    assert "!!python/tuple" in path.read_text()
    assert LazyConfig.load(path) == {"a": [1, [2.5, "x"]], "b": [[]]}


def test_a_name_is_replaced_by_an_override(write):
    path = write(
        "c.yaml", "part: {_target_: builtins.dict, f: !!python/name:aligndetr.config.locate ''}"
    )
    config = LazyConfig.apply_overrides(LazyConfig.read(path), ["part.f=math.sqrt"])
    assert instantiate(config.part) == {"f": math.sqrt}
    with pytest.raises(
        ConfigError, match=r"part\.f: needs an import path like aligndetr\.config\.locate"
    ):
        LazyConfig.apply_overrides(LazyConfig.read(path), ["part.f=3"])


def test_lazy_call_of_a_saved_name(write):
    node = LazyCall({"_target_": "aligndetr.config.locate", "name": "collections.Counter"})(a=2)
    assert instantiate(node) == collections.Counter(a=2)
