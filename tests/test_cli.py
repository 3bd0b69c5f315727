"""The command line's entry."""

import os
import runpy
import subprocess
import sys
import types
import warnings
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from aligndetr import __version__, cli
from aligndetr.errors import DataError

ROOT = Path(__file__).parents[1]


@pytest.fixture
def command(monkeypatch):
    """Put a command `probe` into the command line; returns the function that defines it."""

    def define(run, add_arguments=lambda parser: None):
        module = types.ModuleType("aligndetr.commands.probe", "What the probe does.")
        module.run, module.add_arguments = run, add_arguments
        monkeypatch.setitem(sys.modules, "aligndetr.commands.probe", module)
        monkeypatch.setitem(cli.COMMANDS, "probe", "a command of this test")

    return define


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


def test_other_errors_keep_their_traceback_and_say_where_to_report_them(
    command, capsys, monkeypatch
):
    command(lambda args: 1 / 0)
    monkeypatch.delenv("ALIGNDETR_TRACEBACK", raising=False)
    assert cli.main(["probe"]) == 1
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2] == "ZeroDivisionError: division by zero"
    assert lines[-1].startswith("this is a bug of aligndetr: please report it")
    assert captured.out == ""
    monkeypatch.setenv("ALIGNDETR_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        cli.main(["probe"])


def test_values_of_a_config_that_cannot_be_had_are_errors_for_users(command, capsys):
    config = OmegaConf.create({"train": {"seed": "${train.seed}", "period": "???"}})
    for key, reason in (("seed", "Recursive interpolation"), ("period", "Missing mandatory")):
        command(lambda args, key=key: config.train[key])
        assert cli.main(["probe"]) == 2
        assert capsys.readouterr().err.startswith(f"error: the config's train.{key}: {reason}")


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
