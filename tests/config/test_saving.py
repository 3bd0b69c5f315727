import enum
import math
import os
import signal
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from aligndetr.config import ConfigWarning, LazyCall, LazyConfig, import_path, instantiate
from aligndetr.config.nodes import to_node
from aligndetr.config.yaml_file import ConfigLoader, yaml_text
from aligndetr.errors import ConfigError

PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(
        ["1e-4", "yes", "null", "12:30", "2024-01-01", "~", "0x1", "", ".5", "-", "="]
    )
)


def saved(config, tmp_path):
    """Save and load again; any warning is an error."""
    LazyConfig.save(config, tmp_path / "config.yaml")
    return LazyConfig.load(tmp_path / "config.yaml", trust_config=True)


@settings(deadline=None)
@given(
    st.recursive(
        PLAIN,
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
        max_leaves=10,
    )
)
@example({"\x85": "a\x85b"})  # a line break that PyYAML reads as a blank
def test_yaml_reads_back_what_it_writes(value):
    assert yaml.load(yaml_text({"x": value}), Loader=ConfigLoader) == {"x": value}


@pytest.mark.parametrize(
    "text, value",
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        ("5.", 5.0),
        ("-.5", -0.5),
        (".inf", math.inf),
        ("12:30", "12:30"),
        ("yes", "yes"),
        ("2024-01-01", "2024-01-01"),
        ("010", "010"),
        ("~", None),
        ("True", True),
    ],
)
def test_yaml_written_by_hand(text, value):
    assert yaml.load(f"x: {text}", Loader=ConfigLoader) == {"x": value}


def test_a_saved_config_is_the_same_config(tmp_path):
    config = to_node(
        {
            "model": LazyCall(torch.nn.Linear)(
                in_features="${..width}", out_features=2, bias=True, dtype=torch.float64
            ),
            "optimizer": LazyCall(torch.optim.AdamW)(lr=1e-5, betas=(0.9, 0.999)),
            "width": 3,
            "hooks": [LazyCall(dict)(when="12:30", act=torch.nn.ReLU, f=math.sqrt)],
            "numbers": {"nan": math.nan, "inf": -math.inf, "small": 1e-300, "text": "1e-4"},
            "ids": {0: "person", 17: {"deep": [None, True, ""]}},
            "folder": Path("a") / "b",
            "empty": {"list": [], "dict": {}},
        }
    )
    again = saved(config, tmp_path)
    assert math.isnan(again.numbers.pop("nan"))
    del config.numbers["nan"]
    assert again.model._target_ == "torch.nn.Linear"  # the public, shorter path
    assert again.folder == os.path.join("a", "b")
    assert again.hooks[0].act == {"_target_": "aligndetr.config.locate", "name": "torch.nn.ReLU"}
    assert instantiate(again.hooks) == [{"when": "12:30", "act": torch.nn.ReLU, "f": math.sqrt}]
    for section in ("numbers", "ids", "empty", "width"):
        assert again[section] == config[section]
    # interpolations stay alive
    again.width = 5
    linear = instantiate(again.model)
    assert (linear.in_features, linear.weight.dtype) == (5, torch.float64)
    # and a second round changes nothing
    before = (tmp_path / "config.yaml").read_text()
    again.width = 3
    again.numbers.nan = math.nan
    assert sorted(saved_text(again, tmp_path)) == sorted(before.splitlines())


def saved_text(config, tmp_path):
    LazyConfig.save(config, tmp_path / "again.yaml")
    return (tmp_path / "again.yaml").read_text().splitlines()


def test_saved_yaml_is_plain(tmp_path):
    LazyConfig.save(to_node({"f": math.sqrt, "n": LazyCall(dict)(a=(1, 2))}), tmp_path / "c.yaml")
    assert yaml.safe_load((tmp_path / "c.yaml").read_text()) == {
        "f": {"_target_": "aligndetr.config.locate", "name": "math.sqrt"},
        "n": {"_target_": "builtins.dict", "a": [1, 2]},
    }


def test_dataclasses_come_back_as_what_they_are(tmp_path, monkeypatch):
    (tmp_path / "shapes_for_test.py").write_text(
        "from dataclasses import dataclass\n\n\n@dataclass\nclass Shape:\n    channels: int = 1\n"
        "    stride: int = 2\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from shapes_for_test import Shape

    node = to_node({"part": LazyCall(dict)(shape=Shape(channels=7))})
    assert instantiate(node.part) == {"shape": Shape(7, 2)}
    assert instantiate(saved(node, tmp_path).part) == {"shape": Shape(7, 2)}


def test_objects_without_a_name_keep_their_text_and_warn(write, tmp_path):
    path = write(
        "run.py",
        """
        import torch
        def double(x):
            return 2 * x

        twice = lambda x: x + x
        one, two = lambda: 1, lambda: 2
        part = L(torch.nn.Softplus)(beta=lambda: 3, threshold=(lambda t: t)(20))
        plain = dict(f=double, g=twice, h=[two], fixed=1, obj=torch.nn.ReLU())
        """,
    )
    config = LazyConfig.load(path)
    assert config.plain.f(4) == 8  # works in this process
    assert config.plain.g(4) == 8
    LazyConfig.save(config, tmp_path / "config.yaml")
    text = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert text["plain"]["f"] == {"_source_": "def double(x):\n    return 2 * x"}
    assert text["plain"]["g"] == {"_source_": "lambda x: x + x"}
    assert text["plain"]["h"] == [{"_source_": "lambda: 2"}]
    assert text["plain"]["obj"] == {"_source_": "ReLU()"}
    again = LazyConfig.load(tmp_path / "config.yaml")
    assert again == text  # nothing is lost on the way: saved again, it is the same
    with pytest.warns(ConfigWarning) as caught:
        assert instantiate(again.part).beta == 1.0
    messages = "\n".join(str(warning.message) for warning in caught)
    assert "part.beta was `lambda: 3`" in messages
    assert "the default of torch.nn.Softplus is used instead" in messages
    with pytest.warns(ConfigWarning) as caught:
        assert instantiate(LazyCall(dict)(**again.plain)) == {
            "f": None,
            "g": None,
            "h": [None],
            "fixed": 1,
            "obj": None,
        }
    messages = "\n".join(str(warning.message) for warning in caught)
    assert "h.0 was `lambda: 2`, which cannot be rebuilt from text" in messages
    assert "; None is used instead" in messages
    assert len(caught) == 4
    # what was lost can be given again
    root = "plain.g={_target_: aligndetr.config.locate, name: math.sqrt}"
    LazyConfig.apply_overrides(again, ["part.beta=2.0", root])
    assert instantiate(again.part).beta == 2.0
    assert instantiate(again.plain.g)(9) == 3


def test_a_target_without_a_name(write, tmp_path):
    path = write("run.py", "def build(a):\n    return [a]\n\npart = L(build)(a=1)\nx = dict(a=1)")
    config = LazyConfig.load(path)
    assert instantiate(config.part) == [1]
    LazyConfig.save(config, tmp_path / "config.yaml")
    again = LazyConfig.load(tmp_path / "config.yaml")
    with pytest.raises(ConfigError, match=r"part was `def build\(a\):"):
        instantiate(again.part)
    with pytest.warns(ConfigWarning, match=r"inner was `def build\(a\):\n.*None is used instead"):
        assert instantiate(LazyCall(dict)(inner=again.part)) == {"inner": None}
    LazyConfig.apply_overrides(again, ["part._target_=builtins.dict"])
    assert instantiate(again.part) == {"a": 1}


def test_numbers_of_numpy_and_enums(tmp_path):
    node = to_node({"a": np.float32(0.5), "b": np.int64(3), "c": signal.SIGINT, "d": [np.int8(1)]})
    again = saved(node, tmp_path)
    assert instantiate(again.pop("c")) is signal.SIGINT
    assert again == {"a": 0.5, "b": 3, "d": [1]}
    assert (type(again.a), type(again.b)) == (float, int)
    assert LazyConfig.apply_overrides(node, ["b=4", "a=1"]).b == 4


def test_import_paths():
    class Local:
        pass

    class Colour(enum.Enum):
        RED = 1

    assert import_path(torch.optim.AdamW) == "torch.optim.AdamW"
    assert import_path(torch.float16) == "torch.float16"
    assert import_path(os.path.join) in ("posixpath.join", "ntpath.join")
    assert import_path(torch.nn.Linear.forward) == "torch.nn.Linear.forward"
    assert import_path(enum.Flag.__class__) in ("enum.EnumMeta", "enum.EnumType")
    for nameless in (Local, Local(), lambda: 1, Colour.RED, object()):
        assert import_path(nameless) is None


def test_a_broken_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "config.yaml"
    LazyConfig.save(to_node({"a": 1}), path)
    with pytest.raises(yaml.YAMLError):
        # a tuple as a key survives omegaconf only in a plain dict
        LazyConfig.save({"a": 2, "b": {frozenset([1]): 1}}, path)
    assert path.read_text() == "a: 1\n"
    assert list(tmp_path.iterdir()) == [path]


# ---------------------------------------------------------------- foreign or broken YAML


def test_broken_yaml_has_file_and_line(write):
    path = write("c.yaml", "a: 1\nb: [1, 2\nc: 3\n")
    with pytest.raises(ConfigError, match=r"c\.yaml:3: "):
        LazyConfig.load(path)
    with pytest.raises(ConfigError, match="a config is a mapping of sections, not list"):
        LazyConfig.load(write("list.yaml", "- 1"))


def test_python_tags_are_never_built(write, tmp_path):
    touched = tmp_path / "touched"
    path = write(
        "c.yaml",
        f"""
        a: 1
        b: !!python/object/apply:os.mkdir ['{touched}']
        """,
    )
    with pytest.raises(ConfigError, match=r"c\.yaml:3: the tag !!python/object/apply:os\.mkdir"):
        LazyConfig.load(path)
    assert not touched.exists()


def test_a_saved_name_that_is_gone_is_an_error_only_when_used(write):
    path = write(
        "c.yaml",
        """
        part:
          _target_: builtins.dict
          f: {_target_: aligndetr.config.locate, name: not_installed_xyz.f}
        """,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config = LazyConfig.load(path)
    with pytest.raises(ConfigError, match=r"part\.f|not_installed_xyz"):
        instantiate(config.part)


def test_to_py_reads_like_python():
    config = to_node(
        {
            "train": {"max_iter": 5, "empty": {}},
            "model": LazyCall(torch.nn.Linear)(in_features="${..width}", out_features=2),
            "names": ["a" * 30, "b" * 30, "c" * 30],
        }
    )
    text = LazyConfig.to_py(config)
    assert text.splitlines()[:3] == [
        "cfg.train.max_iter = 5",
        "cfg.train.empty = {}",
        "cfg.model = torch.nn.Linear(in_features='${..width}', out_features=2)",
    ]
    assert max(map(len, text.splitlines())) <= 100
    compile(text, "text", "exec")
    assert LazyConfig.to_py(OmegaConf.create({"a": [1]}), prefix="") == "a = [1]\n"
