"""Whoever trained a config with classes of their own reads it again without being asked."""

import shutil
import sys
from pathlib import Path

import pytest
import torch

from aligndetr.config import LazyCall, LazyConfig
from aligndetr.engine.run import evaluate, train
from aligndetr.errors import UntrustedConfigError

MODULE = """
from aligndetr.engine.hooks import Hook


class Counting(Hook):
    pass
"""


@pytest.fixture
def own(tmp_path, monkeypatch, tiny_config):
    """A config with a hook of the user's own, in a module on the path."""
    (tmp_path / "hooks_of_mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    import hooks_of_mine

    config = tiny_config()
    config.train.hooks = [LazyCall(hooks_of_mine.Counting)()]
    yield config
    sys.modules.pop("hooks_of_mine", None)


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """The folder of the user's settings; `settings()` lists the notes in it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return lambda: list((tmp_path / "settings").rglob("*/trusted_configs/*"))


def test_a_run_is_resumed_and_evaluated_without_the_flag(own, settings, tmp_path, monkeypatch):
    train(own)
    assert len(settings()) == 1
    folder = tmp_path / "run"
    stored = torch.load(folder / "model_final.pth", weights_only=True)["config"]
    assert LazyConfig.from_text(stored, "model_final.pth") == LazyConfig.load(
        folder / "config.yaml"
    )
    config = LazyConfig.load(folder / "config.yaml")
    train(LazyConfig.apply_overrides(config, ["train.max_iter=4"]), resume=True)
    assert len(settings()) == 2  # what is in the folder now is remembered as well
    evaluate(LazyConfig.load(folder / "config.yaml"), str(folder / "model_final.pth"))

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "of_somebody_else"))
    copied = Path(shutil.copytree(folder, tmp_path / "copied"))
    with pytest.raises(UntrustedConfigError, match=r"train\.hooks\.0 names 'hooks_of_mine\.Count"):
        LazyConfig.load(copied / "config.yaml")
    with pytest.raises(UntrustedConfigError, match="model_final"):
        LazyConfig.from_text(stored, "model_final.pth")


def test_a_changed_config_is_asked_about_again(own, settings, tmp_path):
    train(own)
    path = tmp_path / "run" / "config.yaml"
    path.write_text(path.read_text().replace("seed: 0", "seed: 1"))
    with pytest.raises(UntrustedConfigError):
        LazyConfig.load(path)


def test_what_needs_no_trust_leaves_no_note(tiny_config, settings):
    train(tiny_config("train.max_iter=1"))
    assert settings() == []


def test_without_settings_the_run_goes_on(own, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    LazyConfig.apply_overrides(own, ["train.max_iter=1"])
    train(own)
    assert "config.yaml will be read with --trust-config only" in caplog.text
    assert (tmp_path / "run" / "model_final.pth").is_file()
