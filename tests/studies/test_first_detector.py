"""Trials of a recipe: their configs, their rows, and the split that is looked at once."""

import dataclasses
import json

import pytest
from omegaconf import OmegaConf

from aligndetr import cli
from aligndetr.config import LazyConfig, instantiate
from studies import first_detector, recipes, training

PAGE = "<!-- trials -->\nold\n<!-- end of trials -->\n<!-- test -->\n<!-- end of test -->\n"


def row(trial, split="val", seed=0, **values):
    return {"trial": trial, "split": split, "seed": seed, "steps": 9, "cpu_seconds": 90, **values}


def test_every_trial_is_a_config(data):
    assert recipes.CHOSEN in recipes.TRIALS
    for trial in recipes.TRIALS.values():
        config = recipes.trial_config(trial, data, 3)
        assert (config.train.max_iter, config.train.seed) == (trial.steps, 3)
        assert (
            instantiate(config.dataloader.test.mapper.augmentation)[0].lengths
            == [trial.lengths[2]] * 2
        )
        assert instantiate(config.dataloader.train.mapper.augmentation)[-1].lengths == list(
            trial.lengths[:2]
        )
        assert config.dataloader.test.dataset.split == "val"


def test_distortions_end_before_the_training_does(data):
    trial = recipes.TRIALS["small-distorted"]
    loader = recipes.trial_config(trial, data, 0).dataloader.train
    coarse, last = loader.stages
    assert (coarse.start, coarse.end, last.start, last.end) == (0, 0.5, 0.9, 1.0)
    kinds = [
        [type(instantiate(step)).__name__ for step in mapper.augmentation]
        for mapper in (coarse.mapper, loader.mapper, last.mapper)
    ]
    plain = ["RandomFlip", "RandomFlip", "ResizeShortestEdge"]
    distorted = ["RandomPhotometricDistort", "RandomIoUCrop", *plain]
    assert kinds == [distorted, distorted, plain]
    lengths = [
        list(mapper.augmentation[-1].short_edge_length)
        for mapper in (coarse.mapper, loader.mapper, last.mapper)
    ]
    assert lengths == [[144, 176], [224, 288], [224, 288]]


def test_init_writes_what_was_chosen(data, tmp_path):
    trial = recipes.trial_config(recipes.TRIALS[recipes.CHOSEN], data, 0)
    path = tmp_path / "my_data.py"
    words = [str(data), "--quick", "--upside-down", "--output", str(path)]
    assert cli.main(["init", "--model", recipes.BASE, *words]) == 0
    written = LazyConfig.load(path)
    for key in (
        "optimizer",
        "lr_multiplier",
        "model.criterion",
        "model.decoder",
        "model.pyramid",
        "train.model_ema",
    ):
        assert OmegaConf.select(written, key) == OmegaConf.select(trial, key), key
    assert written.dataloader.train.total_batch_size == trial.dataloader.train.total_batch_size
    assert written.train.reference_batch_size == trial.train.reference_batch_size
    steps = [config.dataloader.train.mapper.augmentation for config in (written, trial)]
    assert [step._target_ for step in steps[0]] == [step._target_ for step in steps[1]]
    assert steps[0][:2] == steps[1][:2]
    stages = [config.dataloader.train.stages[0] for config in (written, trial)]
    assert [(stage.start, stage.end) for stage in stages] == [(0, 0.5)] * 2
    assert stages[0].mapper.augmentation[:2] == stages[1].mapper.augmentation[:2]


def test_coarse_images_come_first(data):
    config = recipes.trial_config(recipes.Trial("a", "b", 9, coarse=(100, 120)), data, 0)
    (stage,) = instantiate(config.dataloader.train.stages)
    assert (stage.start, stage.end) == (0, 0.5)
    assert stage.mapper.augmentation[-1].lengths == [100, 120]


def test_tables():
    last, first = "small-distorted", "batch4"
    rows = first_detector.with_row([], row(last, AP=20.04, AP50=40.04))
    rows = first_detector.with_row(rows, row(first, AP=1.0, AP50=2.0))
    figures = {"AP": 30.0, "AP50": 60.0, "AP-b": 10.0, "AP-a": 50.0}
    rows = first_detector.with_row(rows, row(first, "test", 1, **figures))
    average = {"AP": 11.11, "AP50": 22.22, "last": {"AP": 33.33, "AP50": 44.44}}
    rows = first_detector.with_row(rows, row(first, **average))
    lines = first_detector.trial_table(rows)
    words = recipes.TRIALS[first].words
    assert f"| {first} | {words} | 0 | 9 | 33.3 | 44.4 | 11.1 | 22.2 | 1.5 |" in lines
    assert f"| {last} | {recipes.TRIALS[last].words} | 0 | 9 | 20.0 | 40.0 | - | - | 1.5 |" in lines
    assert len([line for line in lines if line.startswith(f"| {first} |")]) == 1
    assert "| trial | seed | test AP | AP50 | a | b |" in first_detector.test_table(rows)
    assert f"| {first} | 1 | 30.0 | 60.0 | 50.0 | 10.0 |" in first_detector.test_table(rows)


def test_test_is_looked_at_once(data, trial, tmp_path, monkeypatch):
    larger = dataclasses.replace(trial, name="larger", of="short")
    for one in (trial, larger):
        monkeypatch.setitem(first_detector.TRIALS, one.name, one)
    monkeypatch.setattr(first_detector, "CHOSEN", "larger")
    page, results = tmp_path / "page.md", tmp_path / "results.json"
    page.write_text(PAGE)
    places = [f"--work={tmp_path / 'work'}", f"--results={results}", f"--page={page}"]
    assert first_detector.main([str(data), "--final", *places]) == 0
    rows = json.loads(results.read_text())["results"]
    assert [(r["trial"], r["split"]) for r in rows] == [("larger", "test"), ("larger", "val")]
    assert "old" not in page.read_text()
    assert "| larger | a step | 0 | 1 |" in page.read_text()
    monkeypatch.setattr(training, "train", lambda *args, **more: pytest.fail("trained"))
    monkeypatch.setattr(first_detector, "evaluate", lambda *args: pytest.fail("evaluated"))
    assert first_detector.main([str(data), "--final", *places]) == 0
    assert json.loads(results.read_text())["results"] == rows


def test_unknown_names_are_refused(tmp_path, capsys):
    assert first_detector.main(["data", "--trials", "batch44"]) == 2
    assert "batch44: choose among before, " in capsys.readouterr().err


def test_a_first_start_resumes_nothing(data, trial, tmp_path, caplog):
    training.run(recipes.trial_config(trial, data, 0), tmp_path / "run")
    assert "iterations" in caplog.text
    assert "ANEW" not in caplog.text
