"""An evaluation has a folder of its own: what runs and other evaluations left stays as it is."""

import json
import multiprocessing
import signal
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from aligndetr import cli
from aligndetr.config import LazyConfig
from aligndetr.engine.evaluating import Evaluation
from aligndetr.engine.evaluation_folder import folder_of_checkpoint, folder_of_evaluation
from aligndetr.engine.run import evaluate, train
from aligndetr.errors import CheckpointError, ConfigError, DataError, UserError

FLIPPED = "train.test_time_augmentation.flip=true"


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def run(tiny_config, tmp_path):
    """The folder of a training."""
    train(tiny_config("train.max_iter=1", "train.report.enabled=false"))
    return tmp_path / "run"


def test_a_run_stays_as_it_is(run, tiny_config, capsys):
    before = files(run)
    capsys.readouterr()
    evaluate(tiny_config(), str(run / "model_final.pth"))
    assert {path: content for path, content in files(run).items() if path in before} == before
    own = run / "eval-boxes"
    new = files(run).keys() - before.keys()
    assert {path.parent for path in new} == {own}
    assert {"results.json", "coco_instances_results.json"} <= {path.name for path in new}
    said = capsys.readouterr()
    first, second, *_ = said.err.splitlines()
    assert second.endswith(f"evaluating {run}/model_final.pth on boxes: results go to {own}")
    assert said.out.splitlines()[-1].endswith(f"-> {own}")
    log = (own / "log.txt").read_text()
    assert log.splitlines()[:2] == [first, second]  # also what was said before it was made


def test_another_evaluation_goes_beside_it(run, tiny_config, capsys):
    evaluate(tiny_config(), str(run / "model_final.pth"))
    before = files(run)
    evaluate(tiny_config(FLIPPED), str(run / "model_final.pth"))
    assert {path: content for path, content in files(run).items() if path in before} == before
    assert (run / "eval-boxes-2" / "results.json").is_file()
    assert f"({run}/eval-boxes holds other results)" in capsys.readouterr().err


def test_its_config_repeats_it(run, tiny_config):
    evaluate(tiny_config(FLIPPED), str(run / "model_final.pth"))
    config = LazyConfig.load(run / "eval-boxes" / "config.yaml")
    assert config.train.output_dir == str(run / "eval-boxes")
    assert config.train.test_time_augmentation.flip
    evaluate(config)
    again = run / "eval-boxes-2" / "coco_instances_results.json"
    assert again.read_bytes() == (run / "eval-boxes" / again.name).read_bytes()


def test_a_stated_folder_is_taken_unless_it_is_used(run, tiny_config, tmp_path):
    stated = f"train.output_dir={tmp_path}/judged"
    evaluate(tiny_config(stated), str(run / "model_final.pth"))
    before = files(tmp_path)
    assert (tmp_path / "judged" / "results.json").is_file()
    evaluate(tiny_config(stated), str(run / "model_final.pth"))
    assert (tmp_path / "judged-2" / "results.json").is_file()
    now = files(tmp_path)
    assert {path: content for path, content in now.items() if path in before} == before


@pytest.fixture
def words(run, tiny_config, tmp_path, monkeypatch):
    """The command that evaluates the run's last weights with a config that names another run."""
    monkeypatch.chdir(tmp_path)
    other = Path("output", "aligndetr_tiny")
    other.mkdir(parents=True)
    (other / "results.json").write_text("theirs")
    LazyConfig.save(tiny_config(f"train.output_dir=./{other}"), "config.yaml")
    return ["eval", "config.yaml", "--checkpoint", str(run / "model_final.pth")]


def test_the_command_writes_beside_the_checkpoint(words, run, tmp_path):
    before = files(tmp_path)
    assert cli.main(words) == 0
    assert (run / "eval-boxes" / "results.json").is_file()
    now = files(tmp_path)
    assert {path: content for path, content in now.items() if path in before} == before
    assert {path.parent for path in now.keys() - before.keys()} == {run / "eval-boxes"}


@pytest.mark.parametrize("override", ["train.output_dir=mine", "train={output_dir: mine}"])
def test_the_command_writes_where_it_is_told_to(words, override):
    assert cli.main([*words, override]) == 0
    assert Path("mine/results.json").is_file()


def test_what_fails_leaves_nothing(run, tiny_config, tmp_path):
    def failing(error, *overrides, checkpoint=run / "model_final.pth", inside=None):
        with pytest.raises(error):
            evaluate(tiny_config(*overrides), str(checkpoint), inside=inside)

    before = set(tmp_path.rglob("*"))
    failing(CheckpointError, "model.encoder.num_layers=2")
    failing(ConfigError, "dataloader.evaluator=null")
    failing(DataError, "dataloader.test.dataset.json_file=nowhere.json")
    failing(CheckpointError, checkpoint="no.pth", inside=tmp_path / "several" / "levels")
    failing(ConfigError, "dataloader.evaluator=null", inside=tmp_path / "several" / "levels")
    failing(CheckpointError, f"train.output_dir={tmp_path}/mine", checkpoint="no.pth")
    assert set(tmp_path.rglob("*")) == before
    (tmp_path / "there").mkdir()
    failing(ConfigError, f"train.output_dir={tmp_path}/there", "dataloader.evaluator=null")
    assert list((tmp_path / "there").iterdir()) == []


def test_what_is_interrupted_leaves_its_log_and_a_free_name(run, tiny_config, monkeypatch):
    def interrupted(self, name):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Evaluation, "of", interrupted)
        with pytest.raises(KeyboardInterrupt):
            evaluate(tiny_config(), str(run / "model_final.pth"))
    assert "evaluating" in (run / "eval-boxes" / "log.txt").read_text()
    evaluate(tiny_config(), str(run / "model_final.pth"))
    assert (run / "eval-boxes" / "results.json").is_file()


def test_names_of_datasets_become_names_of_folders(tmp_path):
    config = OmegaConf.create({"train": {"output_dir": str(tmp_path)}})
    for data, name in {"a/b c+d": "a_b_c+d", "ü" * 300: "ü" * 100}.items():
        with folder_of_evaluation(config, "x.pth", data, inside=tmp_path) as folder:
            assert folder == tmp_path / f"eval-{name}"
            assert config.train.output_dir == str(folder)


def hold(folder, told):
    config = OmegaConf.create({"train": {"output_dir": str(folder)}})
    with folder_of_evaluation(config, "x.pth", "val", inside=folder):
        told.send(None)
        signal.pause()


def test_evaluations_at_the_same_time_have_a_folder_each(tmp_path):
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=hold, args=(tmp_path, there))
    process.start()
    assert here.poll(30)
    try:
        config = OmegaConf.create({"train": {"output_dir": str(tmp_path)}})
        with folder_of_evaluation(config, "x.pth", "val", inside=tmp_path) as folder:
            assert folder == tmp_path / "eval-val-2"
    finally:
        process.kill()
        process.join()


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    config = OmegaConf.create({"train": {"output_dir": "run"}})
    with (
        pytest.raises(UserError, match=r"cannot write to .*file/eval-val.*train\.output_dir"),
        folder_of_evaluation(config, "x.pth", "val", inside=tmp_path / "file"),
    ):
        pytest.fail("went in")


def test_where_a_checkpoint_lies(tmp_path):
    (tmp_path / "model.pth").write_text("")
    for name in ("model.dcp", "published"):
        (tmp_path / name).mkdir()
    for name in ("model.pth", "model.dcp"):
        assert folder_of_checkpoint(tmp_path / name) == tmp_path
    for name in (tmp_path / "published", tmp_path / "no.pth", "zoo:x", "https://x.org/m.pth", ""):
        assert folder_of_checkpoint(name) is None


def test_results_say_what_they_are_about(run, tiny_config):
    evaluate(tiny_config(), str(run / "model_final.pth"))
    for folder in (run, run / "eval-boxes"):
        record = json.loads((folder / "coco_instances_results.data.json").read_text())
        assert (record["name"], record["count"]) == ("boxes", 10)
        assert record["file"].endswith("boxes.json")
