"""Which checkpoint a training goes on from, in folders that something happened to."""

import gc
import json
import logging
import os
import re
import shutil
import weakref
import zipfile

import pytest
import torch
from torch import nn

from aligndetr.engine import checkpoint
from aligndetr.engine.checkpoint import Checkpointer
from aligndetr.engine.hooks import BestCheckpointer, Hook
from aligndetr.engine.resume_point import find_resume_point
from aligndetr.engine.run import evaluate, train
from aligndetr.engine.trainer import Trainer
from aligndetr.errors import CheckpointError, TrainingError, UntrustedError, UserError


@pytest.fixture
def folder(tmp_path):
    """Checkpoints after iterations 1, 3 and 5, the last of which is pointed to."""
    saver = Checkpointer(nn.Linear(50, 50), tmp_path)
    for iteration in (5, 3, 1):
        path = saver.save(f"model_{iteration:07d}", iteration=iteration)
        os.utime(path, ns=(iteration, iteration))
    (tmp_path / "last_checkpoint").write_text("model_0000005.pth")
    return tmp_path


def found(folder):
    point = find_resume_point(folder, nn.Linear(50, 50))
    return point and point.path.name


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def flip_a_bit(path):
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda record: record.file_size)
    whole = bytearray(path.read_bytes())
    whole[largest.header_offset + largest.file_size // 2] ^= 1
    path.write_bytes(whole)


def poison(path):
    content = torch.load(path)
    content["model"]["bias"][7] = float("nan")
    torch.save(content, path)


def make_a_folder(path):
    path.unlink()
    path.mkdir()


def test_the_pointer_counts_more_than_the_time(folder):
    os.utime(folder / "model_0000001.pth")
    assert found(folder) == "model_0000005.pth"


@pytest.mark.parametrize(
    "damage, said",
    [
        (truncate, "truncated|not a checkpoint|damaged"),
        (flip_a_bit, "damaged"),
        (poison, r"1 of 2 tensors are not finite \(model\.bias\)"),
        (os.unlink, "last_checkpoint names no file"),
        (make_a_folder, "last_checkpoint names no file"),
    ],
)
def test_the_newest_whole_one_is_taken_and_the_others_are_named(folder, caplog, damage, said):
    damage(folder / "model_0000005.pth")
    assert found(folder) == "model_0000003.pth"
    assert caplog.records[0].levelno == logging.WARNING
    caplog.clear()
    truncate(folder / "model_0000003.pth")
    assert found(folder) == "model_0000001.pth"
    [first, *_, last] = caplog.messages
    assert re.search(said, first)
    assert "passed over" in last
    assert "model_0000003.pth" in last


@pytest.mark.parametrize("text", [None, b"\xff\xfe\0", b"../../etc/passwd", b"x" * 10**6])
def test_a_useless_pointer_costs_nothing(folder, text):
    (folder / "last_checkpoint").unlink()
    if text is not None:
        (folder / "last_checkpoint").write_bytes(text)
    assert found(folder) == "model_0000005.pth"


def test_starting_anew_is_said_loudly(tmp_path, caplog):
    assert found(tmp_path) is None
    (tmp_path / "model_0000005.pth").write_bytes(b"nothing")
    assert found(tmp_path) is None
    warnings = [r.message for r in caplog.records if r.levelno == logging.WARNING]
    assert sum("STARTING ANEW" in message for message in warnings) == 2
    assert "model_0000005.pth" in "".join(warnings)


class Foreign:
    def __reduce__(self):
        return os.mkdir, ("made_by_a_pickle",)


def test_a_file_that_needs_trust_is_not_passed_over(folder):
    torch.save({"model": {}, "object": Foreign()}, folder / "model_0000005.pth")
    with pytest.raises(UntrustedError, match=r"model_0000005\.pth.*train\.trust_checkpoint=true"):
        found(folder)


def test_what_killed_processes_had_begun_is_removed(folder):
    before = sorted(os.listdir(folder))
    for end in (".part", ""):  # of version 0.1 without
        (folder / f".model_0000007.pth.k2jq8a1x{end}").write_bytes(b"half")
        (folder / f".last_checkpoint._2jq8a1x{end}").write_bytes(b"half")
    found(folder)
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize(
    "name", [".mine.pth.k2jq8a1x", ".model_1.pth.backup", "model_1.pth.k2jq8a1x"]
)
def test_what_may_be_of_somebody_else_stays(folder, name):
    (folder / name).write_bytes(b"whole")
    found(folder)
    assert (folder / name).exists()


def break_batch(monkeypatch, iteration):
    """The images of this iteration have a pixel that is no number."""
    fetch = Trainer._fetch

    def broken(trainer):
        batches = fetch(trainer)
        if trainer.iter == iteration:
            image = batches[0][0]["image"].float()
            image[0, 5, 5] = float("nan")
            batches[0][0]["image"] = image
        return batches

    monkeypatch.setattr(Trainer, "_fetch", broken)


def test_a_nan_batch_does_not_poison_the_resume_point(tiny_config, tmp_path, monkeypatch):
    config = tiny_config("model.backbone.norm=BN")
    break_batch(monkeypatch, 1)
    with pytest.raises(TrainingError, match="iteration 1"):
        train(config)
    monkeypatch.undo()
    content = torch.load(tmp_path / "run" / "model_0000000.pth")
    buffers = [value for name, value in content["model"].items() if "running_" in name]
    assert len(buffers) > 10
    assert all(tensor.isfinite().all() for tensor in content["model"].values())
    train(config, resume=True)
    final = torch.load(tmp_path / "run" / "model_final.pth")
    assert final["iteration"] == 2
    assert all(tensor.isfinite().all() for tensor in final["model"].values())


class Overflow(Hook):
    """Weights that are no numbers, after an iteration."""

    def before_step(self):
        if self.trainer.iter == 2:
            for group in self.trainer.optimizer.param_groups:
                group["lr"] = float("inf")


@pytest.mark.parametrize(
    "more, kept",
    [
        ("train.seed=0", "on from {}/model_0000001.pth"),
        ("train.eval_period=3", "on from {}/model_0000001.pth"),
        ("train.checkpointer.period=3", "there is none to resume from"),
    ],
)
def test_weights_that_overflow_are_no_checkpoint(tiny_config, tmp_path, monkeypatch, more, kept):
    register = Trainer.register_hooks
    monkeypatch.setattr(
        Trainer, "register_hooks", lambda self, hooks: register(self, [Overflow(), *hooks])
    )
    with pytest.raises(TrainingError, match=r"\d+ of \d+ tensors are not finite") as caught:
        train(tiny_config("train.max_iter=5", "train.checkpointer.period=2", more))
    files = {path.name for path in (tmp_path / "run").glob("model_*.pth")}
    assert files == {name for name in ("model_0000001.pth",) if name in kept}
    said = (tmp_path / "run" / "log.txt").read_text() + str(caught.value)
    assert kept.format(tmp_path / "run") in said


def test_the_best_checkpoint_knows_of_its_whole_step(tiny_config, tmp_path, monkeypatch):
    """Where a kill leaves no other, the training goes on from it, and skips no hook."""
    config = tiny_config(
        "train.max_iter=4", "train.eval_period=2", "train.early_stopping.patience=5"
    )

    class Killed(BaseException):
        pass

    monkeypatch.setattr(Trainer, "_tell_the_end", lambda trainer: None)
    save = BestCheckpointer._save

    def save_and_die(*arguments):
        save(*arguments)
        raise Killed

    monkeypatch.setattr(BestCheckpointer, "_save", save_and_die)
    with pytest.raises(Killed):
        train(config)
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "run").glob("model_*.pth")] == ["model_best.pth"]
    train(config, resume=True)
    lines = (tmp_path / "run" / "metrics.json").read_text().splitlines()
    assert [json.loads(line)["iteration"] for line in lines] == [0, 1, 2, 3]
    assert torch.load(tmp_path / "run" / "model_best.pth")["hooks"].keys() == {
        "EarlyStopping",
        "BestCheckpointer",
    }


def test_a_poisoned_checkpoint_is_not_evaluated(tiny_config, tmp_path):
    train(tiny_config("train.max_iter=1"))
    path = tmp_path / "run" / "model_final.pth"
    content = torch.load(path)
    name = next(iter(content["model"]))
    content["model"][name].fill_(float("nan"))
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=rf"model_final\.pth .*1 of \d+ .* finite \({name}\)"):
        evaluate(tiny_config(), str(path))


def test_a_resumed_run_reads_its_checkpoint_once_and_lets_it_go(tiny_config, monkeypatch):
    train(tiny_config("train.max_iter=1"))
    contents, alive = [], []
    read, step = checkpoint.read_checkpoint_file, Trainer.run_step

    class Content(dict):
        """A dict that can be watched."""

    def watched(*arguments):
        content = Content(read(*arguments))
        content["model"] = Content(content["model"])
        contents.append(weakref.ref(content["model"]))
        return content

    def looking(trainer):
        gc.collect()
        alive.extend(content() is not None for content in contents)
        step(trainer)

    monkeypatch.setattr(checkpoint, "read_checkpoint_file", watched)
    monkeypatch.setattr(Trainer, "run_step", looking)
    train(tiny_config("train.max_iter=2"), resume=True)
    assert alive == [False]


def test_metrics_that_are_no_text_are_dropped(tiny_config, tmp_path):
    train(tiny_config("train.max_iter=2"))
    path = tmp_path / "run" / "metrics.json"
    lines = path.read_bytes().splitlines()
    path.write_bytes(
        b"\n".join([lines[0], b"\xff\xfe\x80", b'{"iteration": Infinity}', b"[" * 9999])
    )
    train(tiny_config("train.max_iter=3"), resume=True)
    kept = [json.loads(line)["iteration"] for line in path.read_text().splitlines()]
    assert kept == [0, 2]
    assert (tmp_path / "run" / "curves.png").is_file()


def test_a_run_whose_folder_is_removed_ends_in_an_error(tiny_config, tmp_path, monkeypatch, capsys):
    class Remover(Hook):
        def after_step(self):
            if self.trainer.iter == 1:
                shutil.rmtree(tmp_path / "run")

    register = Trainer.register_hooks
    monkeypatch.setattr(
        Trainer, "register_hooks", lambda self, hooks: register(self, [Remover(), *hooks])
    )
    with pytest.raises(UserError, match=r"run was removed or replaced while the training ran"):
        train(tiny_config())
    assert (tmp_path / "run" / "model_final.pth").is_file()
    assert "log.txt" not in capsys.readouterr().out
