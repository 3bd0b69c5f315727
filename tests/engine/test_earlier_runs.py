"""Runs are never destroyed by others that happen to have the same folder."""

import json
import multiprocessing
import os
import signal

import pytest
from omegaconf import OmegaConf

from aligndetr.config import LazyConfig
from aligndetr.engine.earlier_runs import choose_run_folder, remove_earlier_run
from aligndetr.engine.hooks import Hook
from aligndetr.engine.run import TrainingInterrupted, train
from aligndetr.engine.run_folder import held
from aligndetr.errors import DataError, UserError


def config_for(folder):
    return OmegaConf.create({"train": {"output_dir": str(folder)}})


def used(folder):
    folder.mkdir()
    (folder / "metrics.json").write_text('{"iteration": 0}\n')
    return folder


def test_a_new_folder_is_made_and_nothing_is_said(tmp_path):
    config = config_for(tmp_path / "deep" / "run")
    assert choose_run_folder(config) == (tmp_path / "deep" / "run", None)
    assert (tmp_path / "deep" / "run").is_dir()


@pytest.mark.parametrize(
    "name", ["metrics.json", "model_final.pth", "results.json", "coco_instances_results.json"]
)
def test_a_used_folder_gives_the_next_name(tmp_path, name):
    used(tmp_path / "run")
    (tmp_path / "run-2").mkdir()
    (tmp_path / "run-2" / name).write_text("")
    config = config_for(tmp_path / "run")
    folder, note = choose_run_folder(config)
    assert folder == tmp_path / "run-3"
    assert config.train.output_dir == str(folder)
    assert f"{tmp_path}/run holds another run: this one goes to {folder} " in note


def test_what_failed_at_its_start_or_is_no_run_leaves_the_name_free(tmp_path):
    (tmp_path / "run").mkdir()
    for name in ("log.txt", "config.yaml", "notes.md"):
        (tmp_path / "run" / name).write_text("")
    assert choose_run_folder(config_for(tmp_path / "run"))[0] == tmp_path / "run"


def test_the_present_folder_has_a_name_too(tmp_path, monkeypatch):
    monkeypatch.chdir(used(tmp_path / "run"))
    assert choose_run_folder(config_for("."))[0] == tmp_path / "run-2"


def hold(folder, told):
    with held(folder):
        told.send(None)
        signal.pause()


def test_a_training_that_has_written_nothing_yet_uses_its_folder(tmp_path):
    (tmp_path / "run").mkdir()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=hold, args=(tmp_path / "run", there)
    )
    process.start()
    assert here.poll(30)
    try:
        assert choose_run_folder(config_for(tmp_path / "run"))[0] == tmp_path / "run-2"
    finally:
        process.kill()
        process.join()
    assert choose_run_folder(config_for(tmp_path / "run"))[0] == tmp_path / "run"


def test_resume_takes_the_stated_run_and_names_a_newer_one(tmp_path):
    config = config_for(used(tmp_path / "run"))
    assert choose_run_folder(config, resume=True) == (tmp_path / "run", None)
    used(tmp_path / "run-2")
    folder, note = choose_run_folder(config, resume=True)
    assert folder == tmp_path / "run"
    assert f"--resume train.output_dir={tmp_path}/run-2" in note


def test_resume_and_overwrite_contradict(tmp_path):
    with pytest.raises(UserError, match="choose one"):
        choose_run_folder(config_for(used(tmp_path / "run")), resume=True, overwrite=True)


def test_what_is_removed_is_the_run_and_nothing_else(tmp_path):
    folder = used(tmp_path / "run")
    mine = ["photo.png", "pictures/holiday.png", "data.json", "weights.pth", "log.txt"]
    theirs = ["model_0000003.pth", "results.json", "pictures/image_1.png", "last_checkpoint"]
    theirs += ["coco_instances_results.json", "coco_instances_results.data.json"]
    (folder / "pictures").mkdir()
    for name in [*mine, *theirs]:
        (folder / name).write_text("")
    remove_earlier_run(folder)
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert left == set(mine)


@pytest.fixture
def first_run(tiny_config, tmp_path):
    """The files of a run, as they are when it has ended."""
    train(tiny_config("train.max_iter=2"))
    return {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.*")}


def test_a_second_training_leaves_the_first_as_it_is(first_run, tiny_config, tmp_path, capsys):
    train(tiny_config("train.max_iter=1"))
    now = {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.*")}
    assert now == first_run
    second = tmp_path / "run-2"
    assert len((second / "metrics.json").read_text().splitlines()) == 1
    assert (second / "coco_instances_results.json").is_file()
    assert LazyConfig.load(second / "config.yaml").train.output_dir == str(second)
    said = capsys.readouterr()
    assert said.out.splitlines()[-1].endswith(f"-> {second}")
    [first_line, *_] = (second / "log.txt").read_text().splitlines()
    assert f"this one goes to {second}" in first_line
    assert first_line in said.err


def test_overwriting_leaves_one_run(first_run, tiny_config, tmp_path):
    train(tiny_config("train.max_iter=1"), overwrite=True)
    [line] = (tmp_path / "run" / "metrics.json").read_text().splitlines()
    assert json.loads(line)["iteration"] == 0
    assert (tmp_path / "run" / "log.txt").read_text().count("epochs of 10 images") == 1
    assert not (tmp_path / "run-2").exists()


def test_a_training_that_cannot_begin_overwrites_no_results(first_run, tiny_config, tmp_path):
    with pytest.raises(DataError):
        train(tiny_config("dataloader.train.dataset.json_file=no.json"), overwrite=True)
    kept = {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.*")}
    assert {**kept, "log.txt": b""} == {**first_run, "log.txt": b""}


def test_an_interrupted_training_names_the_folder_to_resume(first_run, tiny_config, tmp_path):
    config = tiny_config("train.max_iter=3")
    config.train.hooks = [{"_target_": f"{__name__}.Stop"}]
    with pytest.raises(TrainingInterrupted, match=f"--resume train.output_dir={tmp_path}/run-2$"):
        train(config)


class Stop(Hook):
    """A hook that ends the training."""

    def after_step(self):
        os.kill(os.getpid(), signal.SIGTERM)
