from pathlib import Path

import yaml
from omegaconf import OmegaConf

from aligndetr.commands.config import config_lines, short_names
from aligndetr.config import Dialect, LazyConfig, foreign, get_config, register_dialect
from aligndetr.config.origins import Origin, load_with_origins
from aligndetr.config.yaml_file import ConfigLoader


def where(origins, key):
    origin = origins[key]
    return origin.override or (origin.file.name, origin.line)


def test_file_and_line_of_every_leaf(write):
    write(
        "common/base.py",
        """\
        train = dict(
            max_iter=90,
            amp={"enabled": False},
            kept=1,
        )
        model = L(dict)(
            width=3,
            parts=[L(dict)(a=1), L(dict)(a=2)],
        )
        steps = dict(short=dict(n=10))
        """,
    )
    path = write(
        "run.py",
        """\
        from .common.base import model, steps, train
        schedule = steps.short
        train.max_iter = 50
        train.amp["enabled"] = True
        for name in ["looped"]:
            train[name] = 7
        model.parts[1].a = 5
        extra = dict(x="${train.max_iter}")
        """,
    )
    config, origins = load_with_origins(path)
    # base.py starts with the import that the fixture puts there: its lines are one further down
    assert where(origins, "train.kept") == ("base.py", 5)
    assert where(origins, "train.max_iter") == ("run.py", 3)
    assert where(origins, "train.amp.enabled") == ("run.py", 4)
    assert where(origins, "train.looped")[0] == "run.py"
    assert where(origins, "model.width") == ("base.py", 8)
    assert where(origins, "model._target_") == ("base.py", 7)
    assert where(origins, "model.parts.0.a") == ("base.py", 9)
    assert where(origins, "model.parts.1.a")[0] == "run.py"
    assert where(origins, "schedule.n")[0] == "base.py"  # found under its old name
    assert where(origins, "extra.x") == ("run.py", 8)
    assert set(origins) == set(_leaf_paths(config))


def _leaf_paths(config, prefix=""):
    plain = OmegaConf.to_container(config) if prefix == "" else config
    pairs = plain.items() if isinstance(plain, dict) else enumerate(plain)
    for key, value in pairs:
        if isinstance(value, (dict, list)) and value:
            yield from _leaf_paths(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def test_overrides_own_what_they_set(write):
    path = write("run.py", "train = dict(a=1, b=[1, 2], c=dict(d=1, e=2))\nmodel = dict(x=1)")
    overrides = ["train.a=1", "train.b=[1,3]", "train.c={d: 1, e: 3}", "+new.key=4", "~model.x"]
    _, origins = load_with_origins(path, overrides)
    assert where(origins, "train.a") == "train.a=1"
    assert where(origins, "train.b.0") == "train.b=[1,3]"
    assert where(origins, "train.c.d") == ("run.py", 1)  # merged, and as it was
    assert where(origins, "train.c.e") == "train.c={d: 1, e: 3}"
    assert where(origins, "new.key") == "+new.key=4"
    assert "model.x" not in origins


def test_yaml_configs_have_lines_too(write):
    path = write("c.yaml", "train:\n  a: 1\n  b: [1, {c: 2}]\n")
    _, origins = load_with_origins(path)
    assert where(origins, "train.a") == ("c.yaml", 2)
    assert where(origins, "train.b.1.c") == ("c.yaml", 3)


def test_a_yaml_that_is_translated_with_packaged_parts(write, monkeypatch):
    class Adds(Dialect):
        def translate(self, config, source):
            if source.name == "foreign.yaml":
                config.dataloader = get_config("common/data/coco_detr.py").dataloader
            return config

    monkeypatch.setattr(foreign, "_dialects", [])
    register_dialect(Adds())
    _, origins = load_with_origins(write("foreign.yaml", "train:\n  a: 1\n"))
    assert where(origins, "train.a") == ("foreign.yaml", 2)
    assert origins["dataloader.test.batch_size"].file.name == "coco_detr.py"


def test_packaged_config_loaded_by_name(write):
    path = write(
        "run.py",
        """\
        from aligndetr.config import get_config
        train = get_config("common/train.py").train
        """,
    )
    _, origins = load_with_origins(path)
    assert origins["train.seed"].file.parts[-3:] == ("configs", "common", "train.py")
    assert (
        "seed"
        in origins["train.seed"].file.read_text().splitlines()[origins["train.seed"].line - 1]
    )


def test_the_printed_config_is_the_resolved_config_within_80_columns(write):
    path = write(
        "run.py",
        """\
        import math
        model = L(dict)(
            num_classes=80,
            head=L(dict)(n="${..num_classes}", act=math.sqrt),
            names=["a rather long name number %d" % i for i in range(6)],
            parts=[L(dict)(a=1, b=dict(c="x: y")), [1, [2, 3]]],
            empty={},
            none=None,
            text="yes",
            lost=lambda x: x,
        )
        data = dict(test="${model.head}")
        """,
    )
    config, origins = load_with_origins(path, ["model.num_classes=3"])
    lines = list(config_lines(config, origins, {path: "a_file_name_of_usual_length.py"}))
    assert max(map(len, lines)) <= 80
    read = yaml.load("\n".join(lines), Loader=ConfigLoader)
    assert read["model"] == {
        "_target_": "builtins.dict",
        "num_classes": 3,
        "head": {"_target_": "builtins.dict", "n": 3, "act": "math.sqrt"},
        "names": [f"a rather long name number {i}" for i in range(6)],
        "parts": [{"_target_": "builtins.dict", "a": 1, "b": {"c": "x: y"}}, [1, [2, 3]]],
        "empty": {},
        "none": None,
        "text": "yes",
        "lost": "lambda x: x",
    }
    assert read["data"] == {"test": "${model.head}"}
    text = "\n".join(lines)
    assert f"{'  num_classes: 3':<44}# override" in text
    assert "# = ${..num_classes}, a_file" in text


def test_a_saved_config_is_printed_with_the_same_values(write, tmp_path):
    path = write("run.py", "import math\nhead = L(dict)(act=math.sqrt, lost=lambda x: x)")
    printed = []
    LazyConfig.save(LazyConfig.load(path), tmp_path / "saved.yaml")
    for file in (path, tmp_path / "saved.yaml"):
        lines = config_lines(*load_with_origins(file), {file: "file"})
        printed.append(yaml.load("\n".join(lines), Loader=ConfigLoader))
    assert printed[0] == printed[1]
    assert printed[1]["head"]["act"] == "math.sqrt"


def test_short_names_tell_files_apart():
    files = {Path("/x/a/base.py"), Path("/x/b/base.py"), Path("/x/b/run.py")}
    assert sorted(short_names(files).values()) == ["a/base.py", "b/base.py", "run.py"]
    assert Origin(override="a=1").file is None
