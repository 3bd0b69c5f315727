"""`tools/train_net.py`, with the engine replaced."""

import runpy
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run_k=2.py"
    path.write_text("train = dict(max_iter=9, output_dir='out', seed=-1)\n")
    return path


@pytest.fixture
def train_net(monkeypatch):
    """The script's main function, and the calls that reach the engine."""
    calls = []
    experiment = types.ModuleType("experiment")
    experiment.TrainingInterrupted = type("TrainingInterrupted", (Exception,), {})
    experiment.train = lambda config, resume, overwrite: calls.append(
        (config.train.max_iter, resume, overwrite)
    )
    experiment.evaluate = lambda config, checkpoint, weights, inside: calls.append(
        ("eval", checkpoint, inside)
    )
    launch = types.ModuleType("launch")
    launch.TIMEOUT_S = 600.0

    def run_here(main, args, **settings):
        calls.append(settings)
        return main(*args)

    launch.launch = run_here
    monkeypatch.setitem(sys.modules, "aligndetr.engine.run", experiment)
    monkeypatch.setitem(sys.modules, "aligndetr.engine.launch", launch)
    return runpy.run_path(str(ROOT / "tools/train_net.py"))["main"], calls


def test_train_net_takes_the_arguments_of_detectron2(config_file, train_net):
    main, calls = train_net
    words = ["--config-file", "run_k=2.py", "--num-gpus", "2", "--resume", "train.max_iter=4"]
    assert main([*words, "--dist-url", "tcp://host:1", "--num-machines", "3"]) == 0
    assert (
        calls[0].items()
        >= {
            "num_gpus": 2,
            "num_machines": 3,
            "machine_rank": 0,
            "dist_url": "tcp://host:1",
        }.items()
    )
    assert calls[1:] == [(4, True, False)]
    calls.clear()
    assert main(["--eval-only", "--config-file", "run_k=2.py"]) == 0
    assert calls[1:] == [("eval", None, "out")]


def test_train_net_reports_mistakes_before_it_launches(config_file, train_net, capsys):
    main, calls = train_net
    assert main(["--config-file", "run_k=2.py", "train.max_itr=4"]) == 2
    assert "did you mean train.max_iter?" in capsys.readouterr().err
    assert calls == []
