import sys
from types import SimpleNamespace

import pytest
import yaml

from aligndetr.config import (
    Dialect,
    LazyConfig,
    foreign,
    instantiate,
    register_dialect,
)
from aligndetr.errors import ConfigError


def build(a=0):
    return ["ours", a]


class Other(Dialect):
    """Stands in for a toolbox `otherlib` that is not installed."""

    def find_module(self, name):
        layers = SimpleNamespace(build=build, __name__="otherlib.layers")
        known = {"otherlib": SimpleNamespace(layers=layers), "otherlib.layers": layers}
        return known.get(name)

    def find_target(self, path):
        return build if path == "otherlib.layers.build" else None

    def construct_tag(self, loader, tag, node):
        if tag.endswith("otherlib.Shape"):
            return loader.construct_mapping(node)
        return NotImplemented

    def translate(self, config, source):
        if "otherlib_section" in config:
            config["model"] = config.pop("otherlib_section")
        return config


@pytest.fixture
def other(monkeypatch):
    monkeypatch.setattr(foreign, "_dialects", [])
    dialect = Other()
    register_dialect(dialect)
    register_dialect(dialect)
    return dialect


FOREIGN = """
import otherlib.layers as layers
from otherlib.layers import build
part = L(build)(a=1)
same = dict(same=layers.build is build)
"""


def test_names_resolve_while_a_config_runs_and_leave_nothing(write, other):
    write("base.py", FOREIGN)
    config = LazyConfig.load(write("run.py", "from .base import part, same"))
    assert instantiate(config.part) == ["ours", 1]
    assert config.same.same
    assert not [name for name in sys.modules if name.startswith("otherlib")]
    with pytest.raises(ModuleNotFoundError):
        __import__("otherlib")


def test_without_the_dialect_the_names_are_unknown(write):
    with pytest.raises(ConfigError, match="No module named 'otherlib'"):
        LazyConfig.load(write("run.py", FOREIGN))


def test_names_that_a_dialect_does_not_know(write, other):
    with pytest.raises(ConfigError, match="No module named 'otherlib"):
        LazyConfig.load(write("run.py", "from otherlib.heads import Head\nx = dict(a=1)"))
    with pytest.raises(ConfigError, match="cannot import name 'Conv'"):
        LazyConfig.load(write("run.py", "from otherlib.layers import Conv\nx = dict(a=1)"))


def test_an_installed_package_is_preferred(write, other, tmp_path, monkeypatch):
    (tmp_path / "otherlib").mkdir()
    (tmp_path / "otherlib/__init__.py").write_text("")
    (tmp_path / "otherlib/layers.py").write_text("def build(a):\n    return ['theirs', a]\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        config = LazyConfig.load(
            write("run.py", "from otherlib.layers import build\np = L(build)(a=1)")
        )
        assert instantiate(config.p) == ["theirs", 1]
        # a name that the installed one lacks is asked for again
        (tmp_path / "otherlib/layers.py").write_text("")
        del sys.modules["otherlib.layers"], sys.modules["otherlib"]
        config = LazyConfig.load(
            write("run.py", "from otherlib.layers import build\np = L(build)(a=1)")
        )
        assert instantiate(config.p) == ["ours", 1]
    finally:
        for name in [name for name in sys.modules if name.startswith("otherlib")]:
            del sys.modules[name]


def test_an_installed_module_that_is_broken_is_not_replaced(write, other, tmp_path, monkeypatch):
    (tmp_path / "otherlib").mkdir()
    (tmp_path / "otherlib/__init__.py").write_text("import not_there_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="No module named 'not_there_at_all'"):
        LazyConfig.load(write("run.py", FOREIGN))


def test_yaml_tags_targets_and_whole_configs(write, other):
    path = write(
        "c.yaml",
        """
        otherlib_section:
          _target_: otherlib.layers.build
          a: !!python/object:otherlib.Shape {channels: 3}
        """,
    )
    config = LazyConfig.load(path)
    assert set(config) == {"model"}
    assert instantiate(config.model) == ["ours", {"channels": 3}]
    with pytest.raises(ConfigError, match="the tag !!python/object:elsewhere"):
        LazyConfig.load(write("d.yaml", "a: !!python/object:elsewhere.Shape {channels: 3}"))


def test_only_the_outermost_file_is_translated(write, other):
    write("base.py", "otherlib_section = dict(a=1)")
    path = write(
        "run.py",
        """
        from aligndetr.config import LazyConfig
        inner = LazyConfig.load_rel("base.py")
        """,
    )
    assert LazyConfig.load(path) == {"inner": {"otherlib_section": {"a": 1}}}
    assert LazyConfig.load(path.parent / "base.py", "model") == {"a": 1}


def test_a_dialect_is_a_dialect():
    with pytest.raises(ConfigError, match="must derive from"):
        register_dialect(object())
    plain = Dialect()
    assert plain.find_module("x") is plain.find_target("x") is None
    assert (
        plain.construct_tag(yaml.SafeLoader(""), "!x", yaml.ScalarNode("!x", "")) is NotImplemented
    )


@pytest.mark.parametrize("name", ["detectron2", "detrex", "projects"])
def test_a_config_of_another_toolbox_says_how_it_is_translated(write, name, monkeypatch):
    monkeypatch.setattr(foreign, "_dialects", [])
    remedy = "from aligndetr.interop import enable_foreign_configs; enable_foreign_configs()"
    path = write("run.py", f"from {name}.config import get_config\nx = dict(a=1)")
    with pytest.raises(ConfigError, match=f"No module named '{name}'; .*") as caught:
        LazyConfig.load(path)
    assert remedy in str(caught.value)
    with pytest.raises(ConfigError, match=f"no module named '{name}'") as caught:
        instantiate({"_target_": f"{name}.modeling.Model"})
    assert remedy in str(caught.value)
    with pytest.raises(ConfigError, match="is not built") as caught:
        LazyConfig.load(write("c.yaml", f"f: !!python/name:{name}.modeling.f ''"))
    assert remedy in str(caught.value)


def test_with_a_dialect_nobody_is_told_to_switch_it_on(write, other):
    with pytest.raises(ConfigError) as caught:
        LazyConfig.load(write("run.py", "import detectron2\nx = dict(a=1)"))
    assert str(caught.value).endswith("No module named 'detectron2'")


def test_the_remedy_works(write, monkeypatch):
    monkeypatch.setattr(foreign, "_dialects", [])
    path = write("run.py", "from detrex.config import get_config\nx = dict(a=1)")
    from aligndetr.interop import enable_foreign_configs

    enable_foreign_configs()
    assert LazyConfig.load(path) == {"x": {"a": 1}}
