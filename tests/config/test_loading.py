import builtins
import re
import sys
import threading
from collections import Counter

import pytest
from omegaconf import DictConfig, ListConfig

from aligndetr.config import LazyCall, LazyConfig, get_config, instantiate
from aligndetr.errors import ConfigError, DataError


def test_relative_imports_follow_the_file_location(write):
    write("common/data/coco.py", "dataloader = dict(size=16)")
    write("common/train.py", "from .data.coco import dataloader as base\ntrain = dict(n=base.size)")
    write("project/base.py", "model = dict(depth=50)")
    path = write(
        "project/configs/run.py",
        """
        from ...common.data.coco import dataloader
        from ...common.train import train
        from ..base import model
        from ...common import data
        model.depth = 101
        seen = dict(size=data.coco.dataloader.size) if hasattr(data, "coco") else dict(size=None)
        """,
    )
    config = LazyConfig.load(path)
    assert config == {
        "dataloader": {"size": 16},
        "train": {"n": 16},
        "model": {"depth": 101},
        "seen": {"size": None},  # `from ...common import data` names a folder, not its files
    }


def test_a_folder_gives_its_files_and_its_init(write):
    write("common/__init__.py", "shared = dict(a=1)")
    write("common/train.py", "train = dict(b=2)")
    path = write(
        "run.py", "from .common import shared, train\nboth = dict(x=shared.a, y=train.train.b)"
    )
    assert LazyConfig.load(path).both == {"x": 1, "y": 2}


def test_star_import_and_sibling_module(write):
    write("base.py", "train = dict(a=1)\n_private = dict(z=1)")
    path = write("run.py", "from .base import *\nfrom . import base\nother = dict(a=base.train.a)")
    assert LazyConfig.load(path) == {"train": {"a": 1}, "other": {"a": 1}}


def test_only_public_dicts_and_lists_are_sections(write):
    path = write(
        "run.py", "import torch\nx = 3\n_hidden = dict(a=1)\nname = 'n'\nl = [1]\nd = dict(a=1)"
    )
    config = LazyConfig.load(path)
    assert set(config) == {"l", "d"}
    assert isinstance(config.l, ListConfig)
    assert isinstance(config.d, DictConfig)


def test_keys_select_variables(write):
    path = write("run.py", "x = 3\nd = dict(a=1)")
    assert LazyConfig.load(path, "x") == 3
    assert LazyConfig.load(path, ("d", "x")) == ({"a": 1}, 3)
    with pytest.raises(ConfigError, match="no 'missing'; it has x, d"):
        LazyConfig.load(path, "missing")


def test_load_rel_is_relative_to_the_calling_file(write):
    write("sub/base.py", "train = dict(a=7)")
    path = write(
        "sub/run.py",
        """
        from aligndetr.config import LazyConfig
        train = LazyConfig.load_rel("./base.py", "train")
        """,
    )
    assert LazyConfig.load(path).train.a == 7


def test_every_load_executes_again_and_leaves_nothing_behind(write):
    write("base.py", "train = dict(steps=[1, 2], deep=dict(a=1))")
    path = write("run.py", "from .base import train\ntrain.steps.append(3)")
    modules, importer = set(sys.modules), builtins.__import__
    first = LazyConfig.load(path)
    first.train.steps.append(4)
    first.train.deep.a = 99
    second = LazyConfig.load(path)
    assert second.train == {"steps": [1, 2, 3], "deep": {"a": 1}}
    assert set(sys.modules) == modules
    assert builtins.__import__ is importer


def test_two_importers_of_a_file_do_not_share_it(write):
    write("base.py", "train = dict(a=1)")
    write("one.py", "from .base import train\ntrain.a = 5")
    path = write("run.py", "from .one import train as changed\nfrom .base import train")
    assert LazyConfig.load(path) == {"changed": {"a": 5}, "train": {"a": 1}}


def test_a_config_that_raises_leaves_the_import_machinery_alone(write):
    write("bad.py", "x = dict(a=1)\nraise RuntimeError('boom')")
    path = write("run.py", "import json\n\nfrom .bad import x")
    modules, importer = set(sys.modules), builtins.__import__
    with pytest.raises(ConfigError) as caught:
        LazyConfig.load(path)
    assert str(caught.value).endswith("bad.py:2: RuntimeError: boom")
    assert builtins.__import__ is importer
    assert set(sys.modules) == modules
    write("bad.py", "x = dict(a=2)")
    assert LazyConfig.load(path).x.a == 2


def test_threads_do_not_meet(write):
    write("a/base.py", "import time\ntime.sleep(0.01)\ntrain = dict(which='a')")
    write("b/base.py", "import time\ntime.sleep(0.01)\ntrain = dict(which='b')")
    paths = {
        which: write(f"{which}/run.py", "from .base import train\nfrom .base import train as again")
        for which in "ab"
    }
    found = Counter()

    def load(which):
        for _ in range(5):
            config = LazyConfig.load(paths[which])
            found[which, config.train.which, config.again.which] += 1

    threads = [threading.Thread(target=load, args=(which,)) for which in "abab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {("a", "a", "a"): 10, ("b", "b", "b"): 10}


def test_a_config_may_load_another(write):
    other = write("elsewhere/other.py", "from .part import part")
    write("elsewhere/part.py", "part = dict(a=1)")
    write("part.py", "part = dict(a=2)")
    path = write(
        "run.py",
        f"""
        from aligndetr.config import LazyConfig
        other = LazyConfig.load({str(other)!r}).part
        from .part import part
        """,
    )
    assert LazyConfig.load(path) == {"other": {"a": 1}, "part": {"a": 2}}


def test_file_names_with_an_equals_sign(write):
    path = write("model_k=2.py", "train = dict(a=1)")
    assert LazyConfig.load(path).train.a == 1


def test_packaged_configs_by_name_and_by_absolute_import(write):
    by_name = get_config("common/data/coco_detr.py").dataloader
    path = write("run.py", "from aligndetr.configs.common.data.coco_detr import dataloader")
    before = set(sys.modules)
    assert LazyConfig.load(path).dataloader == by_name
    assert not {name for name in set(sys.modules) - before if "configs" in name}
    with pytest.raises(ConfigError, match=r"did you mean common/data/coco_detr.py"):
        get_config("common/data/coco_dert.py")


def test_interpolations_see_later_changes(write):
    path = write(
        "run.py",
        """
        head = L(dict)(classes="${..num_classes}", half="${.classes}")
        model = L(dict)(num_classes=80, head=head)
        del head
        model.num_classes = 3
        """,
    )
    config = LazyConfig.load(path)
    assert config.model.head.half == 3
    config.model.num_classes = 4
    assert instantiate(config.model) == {"num_classes": 4, "head": {"classes": 4, "half": 4}}


def test_tuples_become_lists_wherever_they_come_from(write):
    path = write(
        "run.py",
        """
        node = L(dict)(betas=(0.9, (1, 2)))
        plain = dict(size=(3, 4))
        plain["later"] = (5,)
        node.after = (6, {"deep": (7,)})
        """,
    )
    config = LazyConfig.load(path)
    assert instantiate(config.node) == {
        "betas": [0.9, [1, 2]],
        "after": [6, {"deep": [7]}],
    }
    assert isinstance(config.node.after, ListConfig)
    assert isinstance(config.plain.later, ListConfig)


def test_a_list_may_follow_a_tuple():
    node = LazyCall(dict)(betas=(0.9, 0.999), deep={"pair": (1, 2)})
    node.betas = [0.5]  # newer omegaconf versions warn where a tuple was kept
    node.deep.pair.append(3)
    assert instantiate(node) == {"betas": [0.5], "deep": {"pair": [1, 2, 3]}}


# ---------------------------------------------------------------- broken files


def test_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"no config file .*nowhere\.py"):
        LazyConfig.load(tmp_path / "nowhere.py")
    with pytest.raises(ConfigError, match=r"no config file .*nowhere\.yaml"):
        LazyConfig.load(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match=r"ends in \.py or \.yaml"):
        LazyConfig.load(tmp_path / "nowhere.txt")


def test_missing_import_names_the_importing_line_and_similar_files(write):
    write("training.py", "train = dict(a=1)")
    path = write("run.py", "x = dict(a=1)\nfrom .trainin import train")
    with pytest.raises(
        ConfigError, match=r"run\.py:2: no config file .*trainin\.py; did you mean training\?"
    ):
        LazyConfig.load(path)


def test_missing_name_in_an_imported_file(write):
    write("base.py", "train = dict(a=1)")
    path = write("run.py", "from .base import trian")
    with pytest.raises(ConfigError, match=r"run\.py:1: ImportError: .*trian.*base"):
        LazyConfig.load(path)


def test_syntax_error_has_file_line_and_text(write):
    write("base.py", "train = dict(a=1)\nmodel = dict(a=1))")
    path = write("run.py", "from .base import train")
    with pytest.raises(ConfigError, match=r"base\.py:2: syntax error: .*: model = dict\(a=1\)\)"):
        LazyConfig.load(path)


def test_exception_in_a_helper_points_into_the_config(write):
    path = write("run.py", "def helper(x):\n    return 1 / x\n\n\ny = dict(a=helper(0))")
    with pytest.raises(ConfigError, match=r"run\.py:2: ZeroDivisionError: division by zero"):
        LazyConfig.load(path)


def test_a_section_that_cannot_be_one_is_named(write):
    path = write("run.py", "table = {(1, 2): 3}")
    with pytest.raises(ConfigError, match=r"table cannot be a section.*name it _table"):
        LazyConfig.load(path)
    outer = write("outer.py", "from .run import table")
    with pytest.raises(ConfigError, match=rf"^{re.escape(str(path))}: table cannot be a section"):
        LazyConfig.load(outer)


@pytest.mark.parametrize("text", ["a = dict(x=1)\na['a'] = a", "a = [1]\na.append(a)"])
def test_a_section_that_contains_itself_is_named(write, text):
    with pytest.raises(ConfigError, match=r"a cannot be a section.*recursion"):
        LazyConfig.load(write("run.py", text))


def test_a_yaml_that_contains_itself(write):
    for text in ("a: &a [*a]", "a: &a {b: *a}", "a: " + "[" * 2000 + "]" * 2000):
        with pytest.raises(ConfigError, match=r"c\.yaml: nested too deeply, or part of itself"):
            LazyConfig.load(write("c.yaml", text))


def test_a_number_that_python_does_not_read_has_its_line(write):
    with pytest.raises(ConfigError, match=r"c\.yaml:2: .*digits"):
        LazyConfig.load(write("c.yaml", "a: 1\nb: " + "9" * 5000))


@pytest.mark.parametrize("text", ["import sys\nsys.exit(3)", "\nraise SystemExit"])
def test_a_config_that_exits_does_not_end_the_program_silently(write, text):
    with pytest.raises(ConfigError, match=r"run\.py:2: SystemExit: "):
        LazyConfig.load(write("run.py", text))


def test_not_installed_module(write):
    path = write("run.py", "import os\nimport not_a_package.layers")
    with pytest.raises(
        ConfigError, match=r"run\.py:2: ModuleNotFoundError: No module named 'not_a_package'"
    ):
        LazyConfig.load(path)


def test_circular_imports_are_named(write):
    write("one.py", "from .two import b\na = dict(x=1)")
    path = write("two.py", "from .one import a\nb = dict(x=1)")
    with pytest.raises(ConfigError, match=r"circle: two\.py -> one\.py -> two\.py"):
        LazyConfig.load(path)


def test_errors_about_data_keep_their_kind(write):
    path = write("run.py", "from aligndetr.errors import DataError\nraise DataError('no images')")
    with pytest.raises(DataError, match="no images"):
        LazyConfig.load(path)


def test_lazy_call_wants_something_to_call(write):
    with pytest.raises(ConfigError, match="LazyCall needs something callable"):
        LazyCall(3)
    path = write("run.py", "\nmodel = L(3)(a=1)")
    with pytest.raises(ConfigError, match=r"run\.py:\d: LazyCall needs"):
        LazyConfig.load(path)
