import pytest


@pytest.fixture
def config_file(tmp_path, monkeypatch):
    """A config in the present folder whose name holds an equals sign."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run_k=2.py"
    path.write_text("train = dict(max_iter=9, output_dir='out', seed=-1)\n")
    return path
