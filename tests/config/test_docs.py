"""docs/configs.md is executed from top to bottom."""

import re
import shlex
from pathlib import Path

from aligndetr import cli

TEXT = (Path(__file__).parents[2] / "docs/configs.md").read_text(encoding="utf-8")


def matches(expected, output):
    """Whether the expected lines occur in this order; "..." stands for any lines."""
    pattern = "".join(
        r"(.*\n)*?" if line == "..." else re.escape(line) + r"\n" for line in expected
    )
    return re.fullmatch(pattern, output) is not None


def run_console(block, capsys):
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *expected = part.splitlines()
        words = shlex.split(command)
        assert words[0] == "aligndetr"
        capsys.readouterr()
        cli.main(words[1:])
        captured = capsys.readouterr()
        output = captured.out + captured.err
        assert matches(expected, output), f"{command}\n{output}"


def test_every_example(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    namespace, kinds = {}, []
    for kind, block in re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        kinds.append(kind)
        if kind == "console":
            run_console(block, capsys)
        elif named := re.match(r"# file: (\S+)\n", block):
            Path(named[1]).write_text(block)
        else:
            exec(block, namespace)
    assert sorted(kinds) == ["console"] * 2 + ["python"] * 4
    assert "cfg.train.max_iter = 50" in capsys.readouterr().out


def test_it_is_short():
    assert len(TEXT.splitlines()) <= 150


def test_the_matching_can_fail():
    assert matches(["a", "...", "c"], "a\nb\nb\nc\n")
    assert not matches(["a", "...", "d"], "a\nb\nc\n")
    assert not matches(["a"], "a\nb\n")
