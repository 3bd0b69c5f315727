"""Sharded weights: equal to replicated ones, and checkpoints for any number of processes."""

import os
import pickle
import signal
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from omegaconf import OmegaConf

from aligndetr import cli
from aligndetr.checkpoint_file import read_checkpoint_file
from aligndetr.engine.checkpoint import last_checkpoint
from aligndetr.engine.launch import launch
from aligndetr.engine.resume_point import find_resume_point
from aligndetr.engine.run import evaluate, train
from aligndetr.errors import CheckpointError, ConfigError, UntrustedError
from tests.engine import sharding_workers as workers  # by this name started processes find it, too


@pytest.fixture
def alone():
    """One process is a group of its own while it trains; other tests must not find it."""
    yield
    if dist.is_initialized():
        dist.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """(folder, results) of two processes."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "file").write_text("")
    assert launch(workers.first_leg, num_gpus=2, device="cpu", args=(folder,)) == 0
    return folder, torch.load(folder / "first.pth", weights_only=False)


def assert_equal_weights(found, expected, atol=1e-6):
    for part in ("model", "ema"):
        assert found[part].keys() == expected[part].keys()
        for name, value in expected[part].items():
            torch.testing.assert_close(found[part][name], value, rtol=1e-5, atol=atol, msg=name)


@pytest.mark.parametrize("kind", ["", "_accumulated"])
def test_losses_and_weights_are_those_of_replicated_weights(two, kind):
    """With clipping to a norm of 0.1, where the gradients' is above 1."""
    _, results = two
    losses, weights = results[f"sharded{kind}"]
    expected_losses, expected = results[f"replicated{kind}"]
    for found, wanted in zip(losses, expected_losses, strict=True):
        assert found == pytest.approx(wanted, rel=1e-6)
        assert wanted[1] > 1
    assert losses[0][0] != losses[-1][0]
    assert_equal_weights(weights, expected)


def test_each_process_holds_about_half(two):
    parts = two[1]["parts"]
    assert sum(parts) == pytest.approx(1)
    assert max(parts) < 0.6


def test_what_cannot_be_written_is_said_and_leaves_nothing(two):
    folder, results = two
    assert "cannot write" in results["failed"] or "is not written" in results["failed"]
    assert "model_bad.dcp is not written: 1 of" in results["refused"]
    assert sorted(path.name for path in (folder / "sharded").iterdir()) == [
        "last_checkpoint",
        "model_0000001.dcp",
        "model_final.dcp",
    ]
    assert last_checkpoint(folder / "sharded").name == "model_final.dcp"


def test_two_one_and_three_processes_go_on_from_each_other(two, alone):
    """Eight steps: two processes do 4, one does 2, three do 2; one alone does all beside it."""
    folder, results = two
    losses, before, after = workers.resumed(folder / "sharded", "model_final", 6)
    assert_equal_weights(before, results["sharded"][1], atol=0)
    assert len(losses) == 2
    dist.destroy_process_group()
    assert launch(workers.third_leg, num_gpus=3, device="cpu", args=(folder / "sharded",)) == 0
    more, loaded, last = torch.load(folder / "sharded" / "third.pth", weights_only=False)
    assert_equal_weights(loaded, after, atol=0)
    undisturbed = workers.Training("replicated", folder / "undisturbed")
    undisturbed.trainer.train(0, 8)
    expected = undisturbed.losses.values
    found = [*results["sharded"][0], *losses, *more]
    for one, other in zip(found, expected, strict=True):
        assert one[0] == pytest.approx(other[0], rel=1e-4)
    for name, value in undisturbed.weights()["ema"].items():
        torch.testing.assert_close(last["ema"][name], value, rtol=1e-3, atol=1e-4, msg=name)


SHARDED = ("train.fsdp.enabled=true", "train.model_ema.enabled=true")


def records(folder):
    lines = (folder / "metrics.json").read_text().splitlines()
    return [OmegaConf.create(line) for line in lines if "total_loss" in line]


def test_a_run_from_its_config(tiny_config, tmp_path, alone, capsys):
    """Trained, resumed, evaluated, converted; the losses are those of a run that is not sharded."""
    # Adam makes whole steps of gradients that are rounding noise: the smaller, the less they differ
    short = (*SHARDED, "optimizer.lr=1e-5", "train.checkpointer.period=1")
    train(tiny_config(*short, "train.max_iter=2"))
    folder = tmp_path / "run"
    assert (folder / "model_final.dcp").is_dir()
    results = train(tiny_config(*short, "train.max_iter=4"), resume=True)
    plain = (*short, "train.fsdp.enabled=false", f"train.output_dir={tmp_path}/plain")
    train(tiny_config(*plain, "train.max_iter=2"))
    expected = train(tiny_config(*plain, "train.max_iter=4"), resume=True)
    sharded_losses = [float(record.total_loss) for record in records(folder)]
    plain_losses = [float(record.total_loss) for record in records(tmp_path / "plain")]
    assert len(sharded_losses) == 4
    assert sharded_losses == pytest.approx(plain_losses, rel=1e-4)
    assert results["bbox"]["AP"] == pytest.approx(expected["bbox"]["AP"], abs=1e-3)
    again = tiny_config(f"train.output_dir={tmp_path}/again")
    found = evaluate(again, str(folder / "model_final.dcp"))
    assert found["bbox"]["AP"] == pytest.approx(results["bbox"]["AP"])

    out = tmp_path / "whole.pth"
    words = ["convert", str(folder / "model_final.dcp"), str(out), "--weights", "ema"]
    assert cli.main(words) == 0
    converted = torch.load(out, weights_only=True)["model"]
    trained = torch.load(tmp_path / "plain" / "model_final.pth", weights_only=True)["ema"]
    assert converted.keys() == trained.keys()
    for name, value in trained.items():
        torch.testing.assert_close(converted[name], value, rtol=1e-4, atol=1e-4, msg=name)


def test_the_other_kind_of_checkpoint_is_not_started_over(tiny_config, tmp_path, alone):
    quick = ("train.max_iter=1", "train.report.enabled=false")
    train(tiny_config(*quick, *SHARDED))
    with pytest.raises(ConfigError, match=r"model_final\.dcp is sharded: .*fsdp\.enabled=true"):
        train(tiny_config(*quick, "train.max_iter=2"), resume=True)


@pytest.mark.parametrize(
    "override",
    [
        "train.validation_loss.enabled=true",
        "train.matching_stability.enabled=true",
        "train.pictures.every=1",
        "train.compile=[encoder]",
    ],
)
def test_what_does_not_go_with_it_is_refused(tiny_config, override):
    with pytest.raises(ConfigError, match=r"do not go with train\.fsdp\.enabled"):
        train(tiny_config(*SHARDED, override))


def damage_part(path):
    part = next(path.glob("*.distcp"))
    part.write_bytes(part.read_bytes()[:-1000])


def remove_part(path):
    next(path.glob("*.distcp")).unlink()


def remove_list(path):
    (path / ".metadata").unlink()


def damage_rest(path):
    (path / "rest.pth").write_bytes(b"nothing")


@pytest.mark.parametrize("harm", [damage_part, remove_part, remove_list, damage_rest])
def test_the_newest_whole_checkpoint_is_gone_on_from(two, tmp_path, harm, caplog):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(two[0] / "sharded", folder)
    os.utime(folder / "model_final.dcp")
    (folder / ".model_0000005.dcp.part").mkdir()
    (folder / ".model_0000005.dcp.part" / "__0_0.distcp").write_text("")
    assert find_resume_point(folder, torch.nn.Identity(), sharded=True).path.name == (
        "model_final.dcp"
    )
    assert not list(folder.glob(".*.part"))
    harm(folder / "model_final.dcp")
    point = find_resume_point(folder, torch.nn.Identity(), sharded=True)
    assert point.path.name == "model_0000001.dcp"
    assert point.content["iteration"] == 1
    assert "passed over: " in caplog.text
    with pytest.raises(CheckpointError):
        read_checkpoint_file(folder / "model_final.dcp")


class Attack:
    def __reduce__(self):
        return os.kill, (os.getpid(), signal.SIGKILL)


def test_nothing_in_the_list_of_contents_is_run(two, tmp_path):
    import shutil

    folder = tmp_path / "evil.dcp"
    shutil.copytree(two[0] / "sharded" / "model_final.dcp", folder)
    Path(folder / ".metadata").write_bytes(pickle.dumps(Attack()))
    with pytest.raises(UntrustedError, match="kill"):
        read_checkpoint_file(folder)
