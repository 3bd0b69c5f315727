"""`aligndetr config` from the command line."""

from aligndetr import cli


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
