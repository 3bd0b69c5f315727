"""How commands take a config, and the flags that they share."""

import argparse
import runpy
from pathlib import Path

import pytest
import torch

from aligndetr import cli
from aligndetr.commands.arguments import (
    add_checkpoint_arguments,
    add_config_arguments,
    load_config,
    split_words,
)
from aligndetr.errors import ConfigError

TOOLS = sorted((Path(__file__).parents[2] / "tools").glob("*.py"))


def parsed(words, others=None):
    parser = argparse.ArgumentParser()
    add_config_arguments(parser, others)
    parser.add_argument("--resume", action="store_true")
    return parser.parse_intermixed_args(words)


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


def with_checkpoint(words, others=None):
    parser = argparse.ArgumentParser()
    add_config_arguments(parser, others)
    add_checkpoint_arguments(parser, default=None)
    return parser.parse_intermixed_args(words)


def test_inputs_beside_a_checkpoint_are_no_config(config_file, tmp_path):
    for name in ("images", "aligndetr_tiny"):
        (tmp_path / name).mkdir()
    (tmp_path / "photo.jpg").write_text("")
    words = ["photo.jpg", "images", "train.seed=3", "--checkpoint", "a.pth"]
    choice = split_words(with_checkpoint(words, others="images"))
    assert (choice.config, choice.others) == (None, ["photo.jpg", "images"])
    for config in ("run_k=2.py", "run_k=2", "aligndetr_tiny"):
        choice = split_words(with_checkpoint([config, *words], others="images"))
        assert (choice.config, choice.others) == (config, ["photo.jpg", "images"])
    alone = [str(config_file), "--checkpoint", "a.pth"]
    assert split_words(with_checkpoint(alone)).config == str(config_file)


def test_a_checkpoint_brings_its_config(config_file, tmp_path):
    torch.save({"model": {}, "config": "train: {seed: 5, epochs: 2}"}, tmp_path / "a.pth")
    config = load_config(with_checkpoint(["train.epochs=7", "--checkpoint", "a.pth"]))
    assert config == {"train": {"seed": 5, "epochs": 7}}
    named = load_config(with_checkpoint(["run_k=2", "--checkpoint", "a.pth"]))
    assert named.train.max_iter == 9


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


def parser_of(command):
    parser = argparse.ArgumentParser()
    cli.load_command(command).add_arguments(parser)
    return parser


def parser_of_tool(path, monkeypatch):
    """The parser that a script's main function makes."""
    made = []
    make = argparse.ArgumentParser.__init__
    monkeypatch.setattr(
        argparse.ArgumentParser,
        "__init__",
        lambda self, *args, **options: made.append(self) or make(self, *args, **options),
    )
    with pytest.raises(SystemExit):
        runpy.run_path(str(path))["main"](["--help"])
    return made[-1]


@pytest.fixture
def flags(monkeypatch, capsys):
    """(first name, type, unit) of each flag's actions, in every command and tool."""
    parsers = [parser_of(name) for name in cli.COMMANDS]
    parsers += [parser_of_tool(path, monkeypatch) for path in TOOLS]
    found = {}
    for parser in parsers:
        for action in parser._actions:
            kind = (action.option_strings[:1], action.type, action.metavar)
            for flag in action.option_strings:
                found.setdefault(flag, []).append(kind)
    return found


def test_a_flag_means_the_same_everywhere(flags):
    assert len(flags["--weights"]) == 8
    # the folder of all that is written; where that is one file, its name
    output = flags.pop("--output")
    assert sorted(unit for _, _, unit in output) == 7 * ["DIR"] + 2 * ["FILE"]
    assert {(*names, kind) for names, kind, _ in output} == {("--output", None)}
    for flag, kinds in flags.items():
        assert all(kind == kinds[0] for kind in kinds), flag


def test_names_that_users_of_detrex_know_are_aliases(flags):
    assert {str(kind[0]) for kind in flags["--conf-threshold"]} == {"['--threshold']"}
    assert {str(kind[0]) for kind in flags["--output-dir"]} == {"['--output']"}


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_fits_80_columns(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize("path", TOOLS, ids=lambda path: path.stem)
def test_help_of_tools_fits_80_columns(path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    parser_of_tool(path, monkeypatch)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
