"""A training leaves a note of its config with the user's settings, not in the run's folder."""

from pathlib import Path

import pytest

from aligndetr.config import LazyCall, LazyConfig
from aligndetr.config.consent import is_remembered, remember
from aligndetr.config.nodes import to_node
from aligndetr.errors import UserError

CONFIG = {"model": {"_target_": "mine.Net", "rates": [1e-4, None]}, "train": {"seed": 1}}


def test_what_is_remembered_is_what_the_config_says(tmp_path):
    assert not is_remembered(CONFIG)
    remember(CONFIG, tmp_path)
    assert is_remembered(CONFIG)
    assert is_remembered(to_node(CONFIG))
    LazyConfig.save(to_node(CONFIG), tmp_path / "config.yaml")
    (tmp_path / "config.yaml").write_text("# a\n" + (tmp_path / "config.yaml").read_text())
    assert is_remembered(LazyConfig.read(tmp_path / "config.yaml"))
    assert not is_remembered({**CONFIG, "train": {"seed": 2}})
    assert not is_remembered({**CONFIG, "model": {**CONFIG["model"], "command": "rm"}})


def test_functions_count_by_their_names(tmp_path):
    remember(to_node({"f": LazyCall(dict)(f=len)}), tmp_path)
    name = {"_target_": "aligndetr.config.locate", "name": "builtins.len"}
    assert is_remembered({"f": {"_target_": "builtins.dict", "f": name}})


def test_another_user_remembers_nothing(tmp_path, monkeypatch):
    remember(CONFIG, tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "other"))
    assert not is_remembered(CONFIG)


@pytest.mark.parametrize("given", ["", "settings"])
def test_settings_never_lie_in_the_working_folder(given, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", given)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    remember(CONFIG, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    (note,) = (tmp_path / "home/.config/aligndetr/trusted_configs").iterdir()
    assert note.read_text() == f"{tmp_path}\n"  # whose run it was


def test_a_note_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match="trusted_configs"):
        remember(CONFIG, Path())
    assert not is_remembered(CONFIG)
