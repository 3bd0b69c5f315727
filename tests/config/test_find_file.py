import pytest

from aligndetr.config import find_file
from aligndetr.config.find_file import PACKAGE_FOLDER, resolve_config, shipped_configs
from aligndetr.errors import ConfigError

CONFIGS = PACKAGE_FOLDER / "projects/align_detr/configs"


@pytest.mark.parametrize(
    "name",
    [
        "aligndetr_tiny",
        "aligndetr_tiny.py",
        "projects/align_detr/configs/aligndetr_tiny.py",
        "projects/align_detr/configs/aligndetr_tiny",
        str(CONFIGS / "aligndetr_tiny.py"),
    ],
)
def test_names_of_a_shipped_config(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "aligndetr_tiny").mkdir()  # an output folder of that name is no config
    assert resolve_config(name) == CONFIGS / "aligndetr_tiny.py"


def test_common_configs_by_their_path():
    expected = PACKAGE_FOLDER / "configs/common/train.py"
    assert (
        resolve_config("common/train.py") == resolve_config("configs/common/train.py") == expected
    )


def test_a_file_here_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("aligndetr_tiny.py", "k=2.yaml"):
        (tmp_path / name).write_text("")
    assert resolve_config("aligndetr_tiny.py").resolve() == tmp_path / "aligndetr_tiny.py"
    assert resolve_config("k=2.yaml").resolve() == tmp_path / "k=2.yaml"


def test_errors_help(tmp_path):
    with pytest.raises(
        ConfigError, match=r"no config 'aligndetr_tny'; did you mean aligndetr_tiny"
    ):
        resolve_config("aligndetr_tny")
    with pytest.raises(ConfigError, match="did you mean aligndetr_tiny"):
        resolve_config("projects/align_detr/configs/aligndetr_tiy.py")
    with pytest.raises(ConfigError, match="`aligndetr configs` lists"):
        resolve_config("zzz")
    with pytest.raises(ConfigError, match="is a folder"):
        resolve_config(str(tmp_path))
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ConfigError, match=r"ends in \.py or \.yaml"):
        resolve_config(str(tmp_path / "notes.txt"))


def test_descriptions_are_read_without_executing(tmp_path, monkeypatch):
    folder = tmp_path / "projects/paper/configs"
    folder.mkdir(parents=True)
    (folder / "b.py").write_text('"""Second one.\n\nMore."""\nraise RuntimeError("executed")\n')
    (folder / "a.py").write_text("x = 1\n")
    (folder / "_private.py").write_text('"""Hidden."""\n')
    (folder / "c.py").write_text('"""Broken\n')
    monkeypatch.setattr(find_file, "PACKAGE_FOLDER", tmp_path)
    found = [(config.name, config.description) for config in shipped_configs()]
    assert found[:2] == [("a", ""), ("b", "Second one.")]
    assert found[2][0] == "c"
    assert "not valid Python" in found[2][1]
    other = tmp_path / "projects/other/configs"
    other.mkdir(parents=True)
    (other / "a.py").write_text("")
    with pytest.raises(ConfigError, match=r"'a' fits .*other.*a\.py, .*paper.*a\.py"):
        resolve_config("a")


def test_every_shipped_config_says_what_it_is_and_has_its_own_name():
    configs = shipped_configs()
    assert len(configs) >= 9
    assert len({config.name for config in configs}) == len(configs)
    for config in configs:
        assert len(config.description) > 10, config.path
