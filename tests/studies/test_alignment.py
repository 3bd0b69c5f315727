"""The study runs from nothing to its page, and goes on where it was stopped."""

import dataclasses
import json

import pytest

from studies import alignment, report, training
from studies.plan import ARMS, STUDIES, Job, Study, of_photographs, run_config

ONE_LAYER = ("model.decoder.num_layers=1", "train.num_threads=1")
SHORT = ("dataloader.train.stages=[]", *ONE_LAYER)


@pytest.fixture
def study(monkeypatch):
    """Two arms, a step each."""
    dino, align = (
        dataclasses.replace(arm, overrides=(*SHORT, *words))
        for arm, words in zip(ARMS[::2], ((), ("model.criterion.match_num=[2,1]",)), strict=False)
    )
    short = Study(
        "photographs", of_photographs, "val", "test", "dataloader.test.dataset.split", 1, 1,
        seeds=(0,), rates=(1e-3,), arms=(dino, align),
    )  # fmt: skip
    monkeypatch.setitem(STUDIES, "photographs", short)
    return short


@pytest.fixture
def words(data, tmp_path):
    folders = [f"--{name}={tmp_path / name}" for name in ("work", "results", "docs")]
    return ["photographs", "--data", str(data), *folders]


def rows_of(tmp_path):
    return json.loads((tmp_path / "results/photographs.json").read_text())["results"]


def test_from_nothing_to_the_page(study, words, tmp_path, monkeypatch):
    assert alignment.main(words) == 0
    rows = rows_of(tmp_path)
    assert [(row["arm"], row["tuning"], row["seed"]) for row in rows] == [
        ("dino", False, 0),
        ("dino", True, 100),
        ("align-k2", False, 0),
        ("align-k2", True, 100),
    ]
    page = (tmp_path / "docs/study.md").read_text()
    assert f"| {rows[2]['metrics']['alignment/covered']:.2f} |" in page
    assert (tmp_path / "docs/pictures/study_photographs.png").stat().st_size > 1000
    # rows are enough: what has one is not trained again, with or without the folders of the runs
    monkeypatch.setattr(training, "train", lambda *args, **more: pytest.fail("trained"))
    assert alignment.main([*words, f"--work={tmp_path / 'elsewhere'}"]) == 0
    assert rows_of(tmp_path) == rows
    config = run_config(study, Job(study.arms[0], 0.5, 0), tmp_path)
    with pytest.raises(training.UserError, match="other settings"):
        training.run(config, tmp_path / "work/photographs/dino/seed0")


class Child:
    """A process that ends with the next of `codes`; an exception among them is raised first."""

    started, ended, codes = [], [], []

    def __init__(self, command, **options):
        self.started.append(command)

    def wait(self):
        code = self.codes.pop(0)
        if isinstance(code, type):
            raise code
        return code

    def terminate(self):
        self.ended.append(self)


@pytest.mark.parametrize(
    "codes, ended, message",
    [
        ([0, 0], 0, ""),
        ([0, 2], 0, "of 2 processes one ended with 2"),
        ([KeyboardInterrupt, 143, 143], 2, "the same command goes on"),
    ],
)
def test_several_processes(codes, ended, message, words, monkeypatch, capsys):
    monkeypatch.setattr(Child, "started", [])
    monkeypatch.setattr(Child, "ended", [])
    monkeypatch.setattr(Child, "codes", list(codes))
    monkeypatch.setattr(alignment.subprocess, "Popen", Child)
    monkeypatch.setattr(alignment.signal, "signal", lambda *args: None)
    monkeypatch.setattr(alignment, "write_report", lambda results, docs: None)
    assert alignment.main([*words, "--processes", "2"]) == (2 if message else 0)
    assert message in capsys.readouterr().err
    assert [command[3:] for command in Child.started] == [
        [*words, "--processes", "2", "--processes", "1"]
    ] * 2
    assert len(Child.ended) == ended


def test_a_run_of_another_process_is_left_to_it(study, words, tmp_path, monkeypatch):
    trained = []
    monkeypatch.setattr(alignment, "write_report", lambda results, docs: None)

    def stand_in(config, folder):
        trained.append(str(folder.relative_to(tmp_path / "work/photographs")))
        found = {"bbox": {"AP": 1.0}, "alignment": {}, "analysis": {}}
        return {"results": found, "cpu_seconds": 1.0}

    monkeypatch.setattr(alignment, "run", stand_in)
    with alignment.page.held(tmp_path / "work/photographs/dino/seed0", wait=False):
        assert alignment.main(words) == 0
    assert trained == ["tuning/dino_0.001", "tuning/align-k2_0.001", "align-k2/seed0"]


def test_a_row_of_another_config_is_trained_again(study, words, tmp_path, monkeypatch):
    trained = []
    monkeypatch.setattr(alignment, "write_report", lambda results, docs: None)

    def stand_in(config, folder):
        trained.append(folder.relative_to(tmp_path / "work/photographs").parts[0])
        found = {"bbox": {"AP": float(len(trained))}, "alignment": {}, "analysis": {}}
        return {"results": found, "cpu_seconds": 1.0}

    monkeypatch.setattr(alignment, "run", stand_in)
    assert alignment.main([*words, "--arms", "dino"]) == 0
    assert trained == ["tuning", "dino"]
    changed = [*words, "--arms", "dino", "--data", str(tmp_path)]  # elsewhere, but the same
    assert alignment.main(changed) == 0
    assert trained == ["tuning", "dino"]
    dino = dataclasses.replace(study.arms[0], overrides=(*SHORT, "model.criterion.weights.class=2"))
    monkeypatch.setitem(STUDIES, "photographs", dataclasses.replace(study, arms=(dino,)))
    assert alignment.main(words) == 0
    assert trained == ["tuning", "dino"] * 2
    assert [row["metrics"]["bbox/AP"] for row in rows_of(tmp_path)] == [4.0, 3.0]


def test_a_text_for_other_numbers_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "TEXTS", tmp_path)
    rows = [{"arm": "dino"}]
    text = f"<!-- written for {report.digest(rows)} -->\nAll is well.\n"
    (tmp_path / "photographs.md").write_text(text)
    assert "All is well." in report.text_of(STUDIES["photographs"], rows)
    assert report.text_of(STUDIES["photographs"], [{"arm": "mal"}]) == []
    assert report.text_of(STUDIES["shapes"], rows) == []


def test_unknown_arms_and_missing_results_are_named(words, tmp_path, capsys):
    assert alignment.main([*words, "--arms", "dina"]) == 2
    assert "dina: choose among dino, align-k1" in capsys.readouterr().err
    assert alignment.main(["photographs", *words[3:]]) == 2
    assert "--data DIR" in capsys.readouterr().err
    assert alignment.main(words[3:]) == 2
    assert "no finished run in" in capsys.readouterr().err
