"""`aligndetr configs` from the command line."""

import io
import sys

from aligndetr import cli
from aligndetr.config.find_file import shipped_files


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
