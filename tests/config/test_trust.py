"""A config that comes as data calls what is listed, and nothing else is even imported."""

import sys
from pathlib import Path

import pytest
import torch

from aligndetr.cli import main
from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.errors import ConfigError, UntrustedConfigError
from aligndetr.predictor import Predictor

V0_1 = Path(__file__).parents[1] / "data" / "v0_1"
REFUSED = """
os.system subprocess.run builtins.eval builtins.__import__ importlib.import_module
functools.partial pickle.loads torch.load torch.hub.load torch.hub.load_state_dict_from_url
torch.jit.load torch.jit.ScriptModule torch.jit.RecursiveScriptModule torch.fx.GraphModule
torch.compile torch.nn.modules.module.torch.load torch.nn.modules.linear.torch.jit.ScriptModule
torch.nn.Linear.__init__ torch.nn.Module.load_state_dict torch.serialization.load torch.save
transformers.AutoModel.from_pretrained transformers.AutoBackbone transformers.DetrModel
fvcore.common.file_io.PathManager.open fvcore.common.download.download
aligndetr.config.import_names.locate aligndetr.config.LazyConfig.load aligndetr.config.instantiate
aligndetr.predictor.Predictor aligndetr.interop.load_checkpoint aligndetr.engine.run.train
aligndetr.checkpoint_file.read_checkpoint_file aligndetr.files.atomic_write aligndetr.cli.main
aligndetr.modeling.backbone.library.fetch aligndetr.data.images.read_image
aligndetr.data.mapper.read_image aligndetr.data.register_coco_instances
aligndetr.engine.writers.JSONLinesWriter __main__.main
"""
ACCEPTED = """
torch.nn.Linear torch.nn.modules.activation.GELU torch.optim.adamw.AdamW torch.float16
torch.nn.functional.relu aligndetr.evaluation.coco.COCOEvaluator aligndetr.data.mapper.DetrMapper
aligndetr.criterions.score_targets.AlignTarget aligndetr.data.transforms.RandomFlip
aligndetr.modeling.DetectorOutput builtins.dict
aligndetr.projects.deformable_attention_2d.attention.PerLevelAttention
"""
PLACES = {
    "called": "a: {{_target_: {}, command: x}}",
    "in a list": "a: [1, {{_target_: {}, command: x}}]",
    "what calls": "a: {{_target_: {{_target_: {}}}, command: x}}",
    "an argument": "a: {{_target_: torch.nn.Sequential, f: {{_target_: {}, f: x}}}}",
    "a named argument": "a: {{_target_: aligndetr.data.DetrMapper, augmentation: {{_target_: "
    "aligndetr.config.locate, name: {}}}}}",
    "not built": "a: {{_target_: torch.nn.Identity, _recursive_: false, f: {{_target_: {}}}}}",
}


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """A module that can be imported, and says so when it is."""
    (tmp_path / "evil_module.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Module):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda: "evil_module" in sys.modules
    sys.modules.pop("evil_module", None)


@pytest.mark.parametrize("name", REFUSED.split())
def test_what_reads_writes_imports_or_runs_is_refused(write, name):
    path = write("c.yaml", PLACES["called"].format(name))
    with pytest.raises(UntrustedConfigError) as caught:
        LazyConfig.load(path)
    assert str(caught.value).startswith(f"{path}: a names {name!r}, which is not on the list")
    assert "--trust-config" in str(caught.value)


@pytest.mark.parametrize("place", PLACES)
def test_wherever_it_stands(write, place):
    with pytest.raises(UntrustedConfigError, match=r"names 'torch\.load'"):
        LazyConfig.load(write("c.yaml", PLACES[place].format("torch.load")))
    assert LazyConfig.load(write("c.yaml", PLACES[place].format("torch.nn.ReLU")))


@pytest.mark.parametrize("name", ACCEPTED.split())
def test_parts_of_models_data_and_optimizers_are_accepted(write, name):
    assert LazyConfig.load(write("c.yaml", PLACES["called"].format(name)))


@pytest.mark.parametrize(
    "value",
    [
        "{_target_: '${name}'}",
        "{_target_: aligndetr.config.locate, name: '${name}'}",
        "'${oc.create:{_target_: os.getcwd}}'",
        "'x ${oc.env:HOME}'",
        "'${${name}:1}'",
        "{deep: ['${oc.decode:${name}}']}",
    ],
)
def test_no_name_is_put_together_later(write, value):
    path = write("c.yaml", f"name: os.getcwd\na: {value}")
    with pytest.raises(UntrustedConfigError, match=r"c\.yaml: a"):
        LazyConfig.load(path)
    assert LazyConfig.load(path, trust_config=True)


def test_text_with_colons_is_no_call(write):
    path = write("c.yaml", "a: {url: 'http://x:1/${..b}', d: '{}:', e: '$ {a:b}'}\nb: 1")
    assert LazyConfig.load(path).a.url == "http://x:1/1"


@pytest.mark.parametrize("value", ["true", "'${seed}'", "1"])
def test_it_cannot_say_that_checkpoints_are_trusted(write, value):
    path = write("c.yaml", f"other: {{trust_checkpoint: {value}, seed: 1}}\ntrain: '${{other}}'")
    with pytest.raises(UntrustedConfigError, match=r"other\.trust_checkpoint lets checkpoints run"):
        LazyConfig.load(path)
    path.write_text(path.read_text().replace(value, "false"))
    assert LazyConfig.load(path).train.trust_checkpoint is False


def test_a_module_that_is_not_known_is_not_imported(write, evil, capsys):
    path = write("c.yaml", "model: {_target_: evil_module.Net, x: {_source_: evil_module.Net}}")
    with pytest.raises(UntrustedConfigError, match=r"model names 'evil_module\.Net"):
        LazyConfig.load(path)
    LazyConfig.save(LazyConfig.read(path), path)
    assert main(["config", str(path), "+train.seed=1"]) == 0
    assert main(["config", str(path), "+model.y=1"]) == 0
    assert main(["config", str(path), "model.y=1"]) == 2
    assert "evil_module.Net" in capsys.readouterr().out
    assert main(["doctor", "--config-file", str(path)]) == 2
    assert not evil()
    trusted = LazyConfig.load(path, trust_config=True)
    assert not evil()
    del trusted.model["x"]
    assert type(instantiate(trusted.model)).__name__ == "Net"


@pytest.mark.parametrize("command", ["train", "eval", "predict", "inspect", "walk", "convert"])
def test_commands_ask_before_they_build(write, evil, capsys, command):
    path = write("c.yaml", "model: {_target_: evil_module.Net, num_classes: 1}\ntrain: {}")
    words = [command, "--config-file", str(path)]
    if command in ("predict", "inspect", "eval"):
        words += ["--checkpoint", "none.pth"]
    own = {"predict": [str(path)], "inspect": ["--image", str(path)], "convert": ["a", "b"]}
    words += own.get(command, [])
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: model names 'evil_module.Net', which is not on")
    assert error.count("\n") == 1
    assert not evil()
    try:
        status = main([*words, "--trust-config"])
    except Exception:  # the config is no whole one
        return
    assert status == 2
    assert "not on the list" not in capsys.readouterr().err


def test_in_python(write, evil):
    path = write("c.yaml", "model: {_target_: evil_module.Net}")
    with pytest.raises(UntrustedConfigError):
        Predictor(path, "none.pth")
    with pytest.raises(UntrustedConfigError, match=r"^model\.pth: model names 'evil_module"):
        LazyConfig.from_text(path.read_text(), "model.pth")
    assert LazyConfig.from_text(path.read_text(), "model.pth", trust_config=True).model
    assert not evil()


def test_a_package_in_the_working_folder_does_not_stand_in(write, tmp_path, monkeypatch):
    write("torchvision/__init__.py", "raise SystemExit('imported')")
    path = write("c.yaml", "model: {_target_: torchvision.ops.FrozenBatchNorm2d}")
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.delitem(sys.modules, "torchvision")
    monkeypatch.syspath_prepend(tmp_path)  # as `python -m aligndetr` does with the working folder
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UntrustedConfigError, match="imported from the working folder"):
        LazyConfig.load(path)


def test_a_config_of_python_answers_for_what_it_reads(write, evil):
    write("part.yaml", "model: {_target_: evil_module.Net}")
    path = write("run.py", "from aligndetr.config import LazyConfig\n"
                 "model = LazyConfig.load_rel('part.yaml').model")  # fmt: skip
    assert type(instantiate(LazyConfig.load(path).model)).__name__ == "Net"


def test_what_is_typed_is_trusted(write, evil):
    config = LazyConfig.load(write("c.yaml", "model: {_target_: torch.nn.Identity}"))
    LazyConfig.apply_overrides(config, ["model={_target_: evil_module.Net}"])
    assert type(instantiate(config.model)).__name__ == "Net"


@pytest.mark.parametrize("path", sorted(V0_1.glob("*/*.yaml")), ids=lambda path: path.stem)
def test_what_version_0_1_saved_needs_no_flag(path):
    assert LazyConfig.load(path).model


def test_the_config_in_a_checkpoint_of_version_0_1_needs_no_flag():
    stored = torch.load(V0_1 / "run" / "model_final.pth", weights_only=True)["config"]
    expected = LazyConfig.load(V0_1 / "run" / "config.yaml")
    assert LazyConfig.from_text(stored, "model_final.pth") == expected


def test_a_part_that_is_gone_is_named(write):
    path = write("c.yaml", "model: {_target_: aligndetr.modeling.NoSuchPart}")
    with pytest.raises(ConfigError, match=r"c\.yaml: model: .*aligndetr\.modeling has no 'NoSuch"):
        LazyConfig.load(path)


def test_shipped_configs_do_not_depend_on_trust(tmp_path):
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    LazyConfig.save(config, tmp_path / "config.yaml")
    text = (tmp_path / "config.yaml").read_text()
    assert LazyConfig.load(tmp_path / "config.yaml") == LazyConfig.from_text(text, "model.pth")
