"""`aligndetr runs` from the command line."""

import json

import pytest

from aligndetr import cli


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Three runs: (AP, total loss, learning rate)."""
    monkeypatch.chdir(tmp_path)
    for name, precision, loss, rate in (
        ("dino_a", 30.0, 9.0, 1e-4),
        ("dino_b", 40.0, 8.5, 2e-4),
        ("align_c", None, 5.0, 1e-4),
    ):
        folder = tmp_path / "out" / name
        folder.mkdir(parents=True)
        line = {"iteration": 99, "bbox/AP": precision, "total_loss": loss, "time": 36.61}
        (folder / "metrics.json").write_text(json.dumps(line) + "\n")
        text = f"train: {{seed: 1, max_iter: 100, ema: {{on: true}}}}\noptimizer: {{lr: {rate}}}\n"
        (folder / "config.yaml").write_text(text)


def table(capsys, *words):
    assert cli.main(["runs", "out", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    return [line.split() for line in lines[2:]]


def names(capsys, *words):
    return [row[0] for row in table(capsys, *words)]


def test_the_table(runs, capsys):
    assert table(capsys) == [  # 100 steps of 36.61 s are 1:01:01
        ["align_c", "100/100", "-", "-", "-", "5", "1", "1:01:01", "finished"],
        ["dino_a", "100/100", "30.0", "-", "30.0", "9", "1", "1:01:01", "finished"],
        ["dino_b", "100/100", "40.0", "-", "40.0", "8.5", "1", "1:01:01", "finished"],
    ]


def test_sorting_puts_the_best_first_and_what_has_no_value_last(runs, capsys):
    assert names(capsys, "--sort", "AP") == ["dino_b", "dino_a", "align_c"]
    assert names(capsys, "--sort", "bbox/AP") == ["dino_b", "dino_a", "align_c"]
    assert names(capsys, "--sort", "loss") == ["align_c", "dino_b", "dino_a"]
    assert names(capsys, "--sort", "optimizer.lr")[-1] == "dino_b"


def test_filters(runs, capsys):
    assert names(capsys, "--where", "dino") == ["dino_a", "dino_b"]
    assert names(capsys, "--where", "optimizer.lr=1e-4") == ["align_c", "dino_a"]
    assert names(capsys, "--where", "optimizer.lr=0.0001", "--where", "dino") == ["dino_a"]
    assert len(names(capsys, "--where", "train.ema.on=true", "--where", "seed=1")) == 3
    assert names(capsys, "--where", "AP=null") == ["align_c"]


@pytest.mark.parametrize(
    "words, message",
    [
        (["--where", "seed=7"], "none of the 3 runs has seed=7"),
        (["--where", "optimizer.learning=7"], "no run has 'optimizer.learning'; give a column"),
        (["--sort", "bbox/AP76"], "no run has 'bbox/AP76'; give a column"),
    ],
)
def test_what_no_run_has(runs, capsys, words, message):
    assert cli.main(["runs", "out", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "steps, seed, hidden",
    [(900, 7, set()), (180_000, 7, {"AP50"}), (180_000, 2_000_000_000, {"AP50", "seed"})],
)
def test_a_long_name_goes_on_below_itself(tmp_path, capsys, steps, seed, hidden):
    name = "with_all_settings_in_its_name_" * 2 + "end"
    folder = tmp_path / name
    folder.mkdir()
    line = {"iteration": steps - 1, "total_loss": 1.2345, "time": 3.0, "bbox/AP": 51.2}
    (folder / "metrics.json").write_text(json.dumps(line) + "\n")
    (folder / "config.yaml").write_text(f"train: {{seed: {seed}, max_iter: {steps}}}\n")
    assert cli.main(["runs", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "".join(line.split()[0] for line in lines[2:]) == name
    assert "…" not in "".join(lines)
    assert f"{steps * 3 // 3600}:{steps * 3 // 60 % 60:02}:00" in lines[2]  # steps of 3 s
    columns = {"run", "iter", "AP", "AP50", "best", "loss", "seed", "time", "state"}
    assert set(lines[0].split()) == columns - hidden


def test_where_the_loss_comes_from(tmp_path, capsys):
    lines = [
        {"iteration": 19, "total_loss": 10.0, "loss_class": 1.0, "loss_bbox": 4, "loss_bbox_0": 5},
        {"iteration": 39, "total_loss": 4.0, "loss_class": 2.0, "loss_bbox": 1, "loss_bbox_0": 1},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "metrics.json").write_text(text)
    assert cli.main(["runs", str(tmp_path), "--losses"]) == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert table[0] == [tmp_path.name]
    assert table[1][:6] == ["loss", "10", "at", "the", "start", "(recorded"]
    assert table[2][:5] == ["4", "at", "the", "end", "(40"]
    arrow = "->"
    assert table[3] == ["layer", "class", "bbox", "all"]
    assert table[5:] == [
        ["last", "10.0", arrow, "50.0", "40.0", arrow, "25.0", "50.0", arrow, "75.0"],
        ["0", "-", "50.0", arrow, "25.0", "50.0", arrow, "25.0"],
        ["all", "10.0", arrow, "50.0", "90.0", arrow, "50.0", "100.0", arrow, "100.0"],
    ]


def test_many_terms_make_several_tables_and_a_run_without_losses_is_said(tmp_path, capsys):
    for name, terms in (("a", "abcdef"), ("b", "")):
        folder = tmp_path / name
        folder.mkdir()
        losses = {f"loss_{term}": 1.0 for term in terms}
        text = json.dumps({"iteration": 0, "total_loss": float(len(terms)), **losses})
        (folder / "metrics.json").write_text(text + "\n")
    assert cli.main(["runs", str(tmp_path), "--losses"]) == 0
    lines = capsys.readouterr().out.splitlines()
    headings = [line.split() for line in lines if line.split()[:1] == ["layer"]]
    assert headings == [["layer", "a", "b", "c", "d"], ["layer", "e", "f", "all"]]
    assert lines[-1] == "b: no losses were recorded"
    assert max(map(len, lines)) <= 80
