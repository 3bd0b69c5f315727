"""The report at the end of a training: there, with its figures, and never in the way."""

import json
import logging
import re

import pytest
import torch

from aligndetr.engine import final_report
from aligndetr.engine.machine import describe_environment
from aligndetr.engine.run import train
from aligndetr.errors import DataError


def test_a_training_ends_with_a_page(tiny_config, tmp_path, capsys, monkeypatch):
    def released(folder):
        raise AssertionError("to look at its lock would release it")

    monkeypatch.setattr("aligndetr.evaluation.runs.is_held", released)
    results = train(tiny_config("train.max_iter=2"))
    folder = tmp_path / "run"
    page = (folder / "report.html").read_text()
    tiles = dict(re.findall(r'data-figure="(\w+)">([\d.]+)<', page))
    assert float(tiles["AP"]) == pytest.approx(results["bbox"]["AP"], abs=0.051)
    assert "finished, 2 of 2 iterations" in page
    [data] = re.findall(r'id="data">(.*?)</script>', page)
    layers = json.loads(data)["layers"]
    assert 1 <= len(layers) <= 6
    assert "up to" in next(iter(layers.values()))
    lines = capsys.readouterr().out.splitlines()
    assert f"report:          {folder}/report.html" in lines
    assert lines[-1].endswith(f"-> {folder}")


def test_what_it_ran_on_is_kept(tiny_config, tmp_path):
    train(tiny_config("train.max_iter=1", "train.freeze=[backbone]"))
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert environment["device"] == "cpu"
    assert environment["processes"] == 1
    assert 0 < environment["trained_parameters"] < environment["parameters"]
    page = (tmp_path / "run" / "report.html").read_text()
    million = f"{environment['parameters'] / 1e6:.2f} million parameters"
    assert million in page


def test_the_command_can_be_typed_again(monkeypatch):
    words = ["train", "dino_tiny", "train.output_dir=my runs"]
    monkeypatch.setattr("sys.argv", ["/somewhere/aligndetr/__main__.py", *words])
    expected = "aligndetr train dino_tiny 'train.output_dir=my runs'"
    assert describe_environment(torch.nn.Linear(2, 3))["command"] == expected
    monkeypatch.setattr("sys.argv", ["/bin/aligndetr", *words])
    environment = describe_environment(torch.nn.Linear(2, 3))
    assert environment["command"] == expected
    assert environment["parameters"] == 2 * 3 + 3


def test_it_can_be_switched_off(tiny_config, tmp_path):
    train(tiny_config("train.max_iter=1", "train.report.enabled=false"))
    assert not (tmp_path / "run" / "report.html").exists()
    assert (tmp_path / "run" / "results.json").exists()


@pytest.mark.parametrize("error", [DataError("no such data"), ZeroDivisionError("by zero")])
def test_its_failure_is_a_line_of_the_log(tiny_config, tmp_path, monkeypatch, error):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(final_report, "run_page", fail)
    train(tiny_config("train.max_iter=1"))
    folder = tmp_path / "run"
    log = (folder / "log.txt").read_text()
    assert f"no report: {type(error).__name__}: {error}; `aligndetr report {folder}`" in log
    assert "Traceback" not in log
    assert (folder / "results.json").exists()


def test_a_model_that_cannot_be_looked_into_has_no_layers(tiny_config, tmp_path, monkeypatch):
    def fail(*arguments):
        raise AttributeError("no decoder")

    monkeypatch.setattr(final_report, "inspect_record", fail)
    train(tiny_config("train.max_iter=1"))
    page = (tmp_path / "run" / "report.html").read_text()
    assert "No matches of the layers: AttributeError: no decoder" in page
    assert 'id="layers"' not in page


def test_without_an_evaluation_there_are_curves(tiny_config, tmp_path, caplog):
    caplog.set_level(logging.ERROR)
    train(tiny_config("train.max_iter=1", "dataloader.evaluator=null"))
    page = (tmp_path / "run" / "report.html").read_text()
    assert 'id="chart-loss"' in page
    assert "No figures: no evaluation yet." in page
