"""The study runs from start to page, and goes on where it was stopped."""

import json
from dataclasses import replace

import pytest

from studies import alignment, report, training
from studies.alignment import Experiment
from studies.plan import SMOKE, run_config
from studies.report import digest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study that has run."""
    root = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DETECTRON2_DATASETS", str(root / "data"))
        assert alignment.main(["--smoke", *arguments(root)]) == 0
        yield root


def arguments(root):
    return [f"--{name}={root / name}" for name in ("work", "results", "docs")]


def test_the_page_shows_the_numbers(folder):
    content = json.loads((folder / "results" / "alignment.json").read_text())
    assert content["machine"]["threads"] == 1
    runs = content["results"]["runs"]
    assert [(run["arm"], run["seed"]) for run in runs] == [("dino", 0), ("align-k2", 0)]
    assert len(content["results"]["tuning"]) == 2  # two losses, one rate
    page = (folder / "docs" / "study.md").read_text()
    assert "DINO or AlignDETR" in page
    assert "Not run" not in page
    assert f"| {runs[1]['metrics']['alignment/covered']:.2f} |" in page
    assert (folder / "docs" / report.PICTURE).stat().st_size > 1000


def test_finished_runs_are_not_trained_again(folder, monkeypatch):
    monkeypatch.setattr(training, "train", lambda *args, **more: pytest.fail("trained"))
    before = (folder / "results" / "alignment.json").read_text()
    assert alignment.main(["--smoke", *arguments(folder)]) == 0
    assert (folder / "results" / "alignment.json").read_text() == before


def test_a_folder_is_not_reused_for_other_settings(folder):
    config = run_config(SMOKE, SMOKE.arms[0], 0.5, 0, tuning=False)
    with pytest.raises(training.UserError, match="other settings"):
        training.run(config, folder / "work" / "dino" / "seed0")


def test_the_best_rate_counts(tmp_path):
    experiment = Experiment(replace(SMOKE, rates=(1e-3, 2e-3)), tmp_path)
    for name, value in {"dino_0.001": 3.0, "dino_0.002": 5.0, "align-k2_0.001": 7.0}.items():
        record = {"results": {"bbox": {"AP": value}, "alignment": {}}, "cpu_seconds": 1.0}
        (tmp_path / "tuning" / name).mkdir(parents=True)
        (tmp_path / "tuning" / name / "finished.json").write_text(json.dumps(record))
    assert experiment.best_rate("focal") == 0.002
    assert experiment.best_rate("IA-BCE") == 0.001


def test_a_discussion_of_other_numbers_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "TEXTS", tmp_path)
    text = f"<!-- written for results {digest('numbers')} -->\nAll is well.\n"
    (tmp_path / "discussion.md").write_text(text)
    assert "All is well." in report.discussion("numbers")
    assert report.discussion("other numbers") == []


def test_unknown_arms_and_missing_results_are_named(tmp_path, capsys):
    assert alignment.main(["--smoke", "--arms", "dina", *arguments(tmp_path)]) == 2
    assert "dino, align-k2" in capsys.readouterr().err
    assert alignment.main(["--report-only", *arguments(tmp_path)]) == 2
    assert "no results in" in capsys.readouterr().err
