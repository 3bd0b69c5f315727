"""Our errors are also those that detectron2's config system raises, and print cleanly."""

import pickle

import pytest
import yaml
from omegaconf import OmegaConf

from aligndetr.config import LazyCall, LazyConfig, apply_overrides, get_config, instantiate
from aligndetr.errors import ConfigError


def add(first, second=0):
    return first + second


def take_key(table):
    return table["nowhere"]


@pytest.fixture
def catches():
    """Run something that fails; the error is a ConfigError and `kind`, and prints as one line."""

    def _catches(kind, action, *arguments):
        with pytest.raises(kind) as caught:
            action(*arguments)
        error = caught.value
        assert isinstance(error, ConfigError)
        assert str(error) == error.args[0]  # KeyError alone would put it in quotes
        assert type(pickle.loads(pickle.dumps(error))) is type(error)
        return str(error)

    return _catches


def test_reading_files(catches, write, tmp_path):
    catches(FileNotFoundError, LazyConfig.load, tmp_path / "nowhere.py")
    catches(FileNotFoundError, LazyConfig.load, tmp_path / "nowhere.yaml")
    catches(ValueError, LazyConfig.load, tmp_path / "nowhere.txt")
    catches(SyntaxError, LazyConfig.load, write("broken.py", "x = (1"))
    catches(yaml.YAMLError, LazyConfig.load, write("broken.yaml", "a: [1"))
    catches(KeyError, LazyConfig.load, write("run.py", "a = dict(x=1)"), "b")
    catches(RuntimeError, get_config, "common/nowhere.py")  # as their model zoo does


def test_imports_of_a_config_file(catches, write):
    for line in ("from .nowhere import x", "import not_a_package", "from json import nowhere"):
        message = catches(ImportError, LazyConfig.load, write("run.py", f"a = dict(x=1)\n{line}"))
        assert "run.py:2: " in message
    write("inner.py", "from .nowhere import x")
    message = catches(ImportError, LazyConfig.load, write("run.py", "from .inner import x"))
    assert "inner.py:1: " in message
    assert "run.py" not in message  # the innermost file is named once


def test_an_error_of_the_config_file_keeps_its_kind(catches, write):
    for kind, text in ((KeyError, "{}['x']"), (TypeError, "len(3)"), (ValueError, "int('x')")):
        message = catches(kind, LazyConfig.load, write("run.py", f"a = {text}"))
        assert f"run.py:1: {kind.__name__}: " in message


def test_calls(catches):
    catches(TypeError, LazyCall, 3)
    for target in ("not_installed_xyz.f", "collections.Contour", "no name"):
        catches(ImportError, instantiate, {"_target_": target})
    catches(AssertionError, instantiate, {"_target_": "math.pi"})
    catches(TypeError, instantiate, LazyCall(add)(third=1))
    catches(KeyError, instantiate, LazyCall(take_key)(table={}))


@pytest.mark.parametrize(
    "kind, override",
    [
        (KeyError, "a.b.c=1"),  # the one that detectron2's own tests expect
        (KeyError, "a.typo=1"),
        (KeyError, "~a.typo"),
        (KeyError, "items.7=1"),
        (ValueError, "no equals sign"),
        (ValueError, "a.b=[1,"),
        (ValueError, "=1"),
    ],
)
def test_overrides(catches, kind, override):
    config = OmegaConf.create({"a": {"b": 1}, "items": [1]})
    catches(kind, apply_overrides, config, [override])
