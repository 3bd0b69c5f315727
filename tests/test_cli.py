import argparse
import io
import os
import runpy
import subprocess
import sys
import types
import warnings
from pathlib import Path

import pytest

from aligndetr import __version__, cli
from aligndetr.commands.arguments import add_config_arguments, load_config, split_words
from aligndetr.config.resolve import shipped_files
from aligndetr.errors import ConfigError, DataError

ROOT = Path(__file__).parents[1]


def parsed(words, others=None):
    parser = argparse.ArgumentParser()
    add_config_arguments(parser, others)
    parser.add_argument("--resume", action="store_true")
    return parser.parse_intermixed_args(words)


@pytest.fixture
def config_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run_k=2.py"
    path.write_text("train = dict(max_iter=9, output_dir='out', seed=-1)\n")
    return path


@pytest.fixture
def command(monkeypatch):
    """Put a command `probe` into the command line; returns the function that defines it."""

    def define(run, add_arguments=lambda parser: None):
        module = types.ModuleType("aligndetr.commands.probe", "What the probe does.")
        module.run, module.add_arguments = run, add_arguments
        monkeypatch.setitem(sys.modules, "aligndetr.commands.probe", module)
        monkeypatch.setitem(cli.COMMANDS, "probe", "a command of this test")

    return define


# ---------------------------------------------------------------- the entry


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_overview_names_every_command(words, capsys):
    assert cli.main(words) == 0
    output = capsys.readouterr().out
    for name, text in cli.COMMANDS.items():
        assert f"  {name} " in output
        assert text in output
    assert max(map(len, output.splitlines())) <= 80


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"aligndetr {__version__}\n"


def test_unknown_command(capsys):
    assert cli.main(["trian"]) == 2
    assert capsys.readouterr().err == "error: no command 'trian'; did you mean train?\n"
    assert cli.main(["zzz"]) == 2
    assert "there are: train, eval" in capsys.readouterr().err


def test_a_command_gets_its_arguments_and_gives_the_status(command):
    seen = []
    command(lambda args: seen.append(args.n) or 7, lambda parser: parser.add_argument("n"))
    assert cli.main(["probe", "x"]) == 7
    assert seen == ["x"]


def test_errors_for_users_have_no_traceback(command, capsys, monkeypatch):
    def run(args):
        raise DataError("no images in data/")

    command(run)
    monkeypatch.delenv("ALIGNDETR_TRACEBACK", raising=False)
    assert cli.main(["probe"]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "error: no images in data/\n")
    monkeypatch.setenv("ALIGNDETR_TRACEBACK", "1")
    with pytest.raises(DataError):
        cli.main(["probe"])


def test_other_errors_keep_their_traceback(command):
    command(lambda args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["probe"])


def test_interrupt(command, capsys):
    def run(args):
        raise KeyboardInterrupt

    command(run)
    assert cli.main(["probe"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_warnings_are_one_line_and_the_format_is_restored(command, capsys):
    def run(args):
        print(warnings.formatwarning("mind the gap", UserWarning, "file.py", 3), end="")
        return 0

    before = warnings.formatwarning
    command(run)
    assert cli.main(["probe"]) == 0
    assert capsys.readouterr().out == "warning: mind the gap\n"
    assert warnings.formatwarning is before


def run_python(*words, **kwargs):
    return subprocess.run(
        [sys.executable, *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        **kwargs,
    )


def test_help_and_list_import_nothing_heavy():
    code = (
        "import sys; from aligndetr.cli import main; main(['--help']); main(['configs']); "
        "print([m for m in ('torch', 'numpy', 'rich', 'matplotlib') if m in sys.modules])"
    )
    done = run_python("-c", code)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_reader_that_has_gone_is_no_error():
    code = (
        "import sys; from aligndetr.cli import guarded; "
        "sys.exit(guarded(lambda: print('x' * 10**6) or 0))"
    )
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, stdout=write, stderr=subprocess.PIPE, cwd=ROOT
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_python_m_is_the_same(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["aligndetr", "--version"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("aligndetr", run_name="__main__")
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"aligndetr {__version__}\n"


# ---------------------------------------------------------------- config arguments


def test_config_by_position_or_option(config_file):
    by_position = load_config(parsed([str(config_file), "train.max_iter=5", "--resume", "+x=1"]))
    by_option = load_config(
        parsed(["train.max_iter=5", "--config-file", str(config_file), "+x=1", "--resume"])
    )
    assert by_position == by_option
    assert (by_option.train.max_iter, by_option.x) == (5, 1)
    assert load_config(parsed(["run_k=2", "~train.seed"])).train == {
        "max_iter": 9,
        "output_dir": "out",
    }


def test_values_with_an_equals_sign(config_file):
    config = load_config(parsed(["run_k=2.py", "train.output_dir=out/k=2/a?b=c"]))
    assert config.train.output_dir == "out/k=2/a?b=c"


def test_no_config(config_file):
    for words in ([], ["train.max_iter=5"]):
        with pytest.raises(ConfigError, match="no config given"):
            load_config(parsed(words))
    with pytest.raises(ConfigError, match=r"'train\.max_iter' is not an override"):
        load_config(parsed(["run_k=2.py", "train.max_iter", "5"]))


def test_commands_with_inputs(config_file, tmp_path):
    (tmp_path / "a=b.png").write_text("")
    words = ["run_k=2.py", "images/", "a=b.png", "train.seed=3", "~train.output_dir"]
    choice = split_words(parsed(words, others="images"))
    assert choice.config == "run_k=2.py"
    assert choice.others == ["images/", "a=b.png"]
    assert choice.overrides == ["train.seed=3", "~train.output_dir"]
    assert load_config(parsed(words, others="images")).train == {"max_iter": 9, "seed": 3}
    choice = split_words(parsed(["images/", "--config-file", "run_k=2.py"], others="images"))
    assert (choice.config, choice.others) == ("run_k=2.py", ["images/"])
    choice = split_words(parsed(["c", "x", "y=1"]), is_other=lambda word: word == "y=1")
    assert (choice.others, choice.overrides) == (["y=1"], ["x"])


# ---------------------------------------------------------------- configs, config


def test_configs_piped(capsys):
    assert cli.main(["configs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split("\t")[0] for line in lines]
    assert "aligndetr_k2_r50_4scale_12ep" in names
    assert names == [path.stem for path in shipped_files()]
    assert all(line.count("\t") == 1 for line in lines)


def test_configs_on_a_terminal(monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "90")
    assert cli.main(["configs"]) == 0
    text = terminal.getvalue()
    assert "align_detr:" in text.splitlines()
    assert "  aligndetr_k2_r50_4scale_tau3_12ep  " in text
    assert max(map(len, text.splitlines())) <= 90


def test_config_prints_values_and_origins(config_file, capsys):
    assert cli.main(["config", "run_k=2.py", "train.max_iter=50"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "# run_k=2.py: run_k=2.py"
    assert [line.split() for line in lines[1:]] == [
        ["train:"],
        ["max_iter:", "50", "#", "override"],
        ["output_dir:", "out", "#", "run_k=2.py:1"],
        ["seed:", "-1", "#", "run_k=2.py:1"],
    ]


def test_config_with_a_typo(config_file, capsys):
    assert cli.main(["config", "run_k=2.py", "train.max_itr=50"]) == 2
    expected = "error: train.max_itr: no such key; did you mean train.max_iter?\n"
    assert capsys.readouterr().err == expected


# ---------------------------------------------------------------- tools/train_net.py


@pytest.fixture
def train_net(monkeypatch):
    """The script's main function, and the calls that reach the engine."""
    calls = []
    experiment = types.ModuleType("experiment")
    experiment.TrainingInterrupted = type("TrainingInterrupted", (Exception,), {})
    experiment.train = lambda config, resume, **rest: calls.append((config.train.max_iter, resume))
    experiment.evaluate = lambda config, checkpoint, **rest: calls.append(("eval", checkpoint))
    launch = types.ModuleType("launch")

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
    assert calls[1:] == [(4, True)]
    calls.clear()
    assert main(["--eval-only", "--config-file", "run_k=2.py"]) == 0
    assert calls[1:] == [("eval", None)]


def test_train_net_reports_mistakes_before_it_launches(config_file, train_net, capsys):
    main, calls = train_net
    assert main(["--config-file", "run_k=2.py", "train.max_itr=4"]) == 2
    assert "did you mean train.max_iter?" in capsys.readouterr().err
    assert calls == []
