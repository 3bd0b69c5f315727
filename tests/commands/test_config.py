"""`aligndetr config` from the command line."""

import torch

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


def test_differences_of_a_run_and_its_config(config_file, capsys):
    run = config_file.parent / "run"
    run.mkdir()
    where = "a_folder_with_a_long_name/" * 3
    text = f"train: {{max_iter: 50, output_dir: {where}, seed: -1, extra: [1, 2]}}\n"
    (run / "config.yaml").write_text(text)
    assert cli.main(["config", "--diff", "run_k=2.py", "run"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "- run_k=2.py",
        "+ run",
        "",
        "train.max_iter: 9 -> 50",
        "train.output_dir:",
        "  - out",
        f"  + {where}",
        "train.extra: (absent) -> [1, 2]",
    ]


def test_no_differences_to_the_config_in_a_checkpoint(config_file, capsys):
    text = "train: {max_iter: 9, output_dir: out, seed: -1}\n"
    torch.save({"model": {}, "config": text}, config_file.parent / "model.pth")
    assert cli.main(["config", "--diff", "run_k=2.py", "model.pth"]) == 0
    assert capsys.readouterr().out == "no differences\n"


def test_comparing_imports_nothing_that_yaml_names(config_file, capsys):
    (config_file.parent / "harmful.py").write_text("raise SystemExit('imported')\n")
    for name, value in (("a", 1), ("b", 2)):
        path = config_file.parent / f"{name}.yaml"
        path.write_text(f"model: {{_target_: harmful.Part, k: {value}}}\n")
    assert cli.main(["config", "--diff", "a.yaml", "b.yaml"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "model.k: 1 -> 2"


def test_what_cannot_be_compared_is_said(config_file, capsys):
    assert cli.main(["config", "--diff", "run_k=2.py", "."]) == 2
    assert "no config 'config.yaml'" in capsys.readouterr().err
    assert cli.main(["config", "run_k=2.py", "--diff", "a", "b"]) == 2
    assert "--diff takes two configs and nothing else" in capsys.readouterr().err
