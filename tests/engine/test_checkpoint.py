import errno
import os
import pickle

import pytest
import torch
from torch import nn

from aligndetr.engine.checkpoint import (
    Checkpointer,
    choose_weights,
    last_checkpoint,
    load_model_file,
    load_weights,
)
from aligndetr.engine.hooks import BestCheckpointer, EMAHook, ModelEMA
from aligndetr.engine.lr_schedule import LRMultiplier, OneCycleParamScheduler
from aligndetr.engine.optimizer import check_moments
from aligndetr.engine.random_state import RandomState
from aligndetr.engine.trainer import Trainer
from aligndetr.errors import CheckpointError, TrainingError, UserError


class Counter:
    def __init__(self, value=0):
        self.value = value

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]


def test_what_is_saved_comes_back(tmp_path):
    model = nn.Linear(2, 3)
    saver = Checkpointer(model, tmp_path, extra={"class_names": ["a", "b"]}, counter=Counter(7))
    path = saver.save("model_0000004", iteration=4)
    other, counter = nn.Linear(2, 3), Counter()
    content = Checkpointer(other, tmp_path, counter=counter).load(path)
    assert torch.equal(other.weight, model.weight)
    assert counter.value == 7
    assert content["iteration"] == 4
    assert content["class_names"] == ["a", "b"]
    assert last_checkpoint(tmp_path) == path


def test_files_need_no_trust(tmp_path):
    path = Checkpointer(nn.Linear(1, 1), tmp_path).save("model_final", iteration=0)
    assert torch.load(path, weights_only=True)["iteration"] == 0


def test_only_the_newest_periodic_files_stay(tmp_path):
    saver = Checkpointer(nn.Linear(1, 1), tmp_path, max_to_keep=2)
    saver.save("model_best", iteration=1, is_last=False)
    for iteration in (9, 99, 100):
        saver.save(f"model_{iteration:07d}", iteration=iteration)
    names = sorted(path.name for path in tmp_path.glob("*.pth"))
    assert names == ["model_0000099.pth", "model_0000100.pth", "model_best.pth"]
    assert last_checkpoint(tmp_path).name == "model_0000100.pth"


def test_files_of_an_earlier_run_go_first(tmp_path):
    saver = Checkpointer(nn.Linear(1, 1), tmp_path, max_to_keep=1)
    os.utime(saver.save("model_0009999", iteration=9999), ns=(1, 1))
    saver.save("model_0000001", iteration=1)
    assert [path.name for path in tmp_path.glob("*.pth")] == ["model_0000001.pth"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    model = nn.Linear(1, 1)
    saver = Checkpointer(model, tmp_path)
    path = saver.save("model_final", iteration=1)
    before = path.read_bytes()

    def fail_halfway(content, file):
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", fail_halfway)
    with pytest.raises(UserError, match=r"model_final\.pth: No space left.*free some space"):
        saver.save("model_final", iteration=2)
    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["last_checkpoint", "model_final.pth"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"nowhere\.pth.*no such file"):
        load_model_file(tmp_path / "nowhere.pth")


@pytest.mark.parametrize("part", [0.0, 0.4, 0.95])
def test_a_truncated_file_is_no_checkpoint(tmp_path, part):
    path = Checkpointer(nn.Linear(50, 50), tmp_path).save("model_final", iteration=0)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(CheckpointError, match="truncated or not a checkpoint"):
        load_model_file(path)


class Foreign:
    def __reduce__(self):
        return os.mkdir, (os.environ["FOREIGN_FOLDER"],)


@pytest.fixture
def foreign_file(tmp_path, monkeypatch):
    monkeypatch.setenv("FOREIGN_FOLDER", str(tmp_path / "made_by_a_pickle"))
    torch.save({"model": {}, "object": Foreign()}, tmp_path / "foreign.pth")
    return tmp_path / "foreign.pth"


def test_a_foreign_pickle_is_refused_by_name(tmp_path, foreign_file):
    with pytest.raises(CheckpointError, match=r"posix\.mkdir.*train\.trust_checkpoint=true"):
        load_model_file(foreign_file)
    assert not (tmp_path / "made_by_a_pickle").exists()


def test_a_foreign_pickle_loads_when_trusted(tmp_path, foreign_file):
    load_model_file(foreign_file, trust=True)
    assert (tmp_path / "made_by_a_pickle").exists()


def test_a_plain_pickle_is_not_executed(tmp_path, monkeypatch):
    monkeypatch.setenv("FOREIGN_FOLDER", str(tmp_path / "made_by_a_pickle"))
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Foreign()))
    with pytest.raises(CheckpointError):
        load_model_file(tmp_path / "plain.pth")
    assert not (tmp_path / "made_by_a_pickle").exists()


def test_bare_weights_are_a_checkpoint_too(tmp_path):
    torch.save(nn.Linear(1, 1).state_dict(), tmp_path / "bare.pth")
    assert set(load_model_file(tmp_path / "bare.pth")["model"]) == {"weight", "bias"}


def test_another_architecture_is_described(tmp_path):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    before = [p.clone() for p in model.parameters()]
    weights = {
        "0.weight": torch.zeros(2, 2),
        "0.bias": torch.zeros(3),
        "1.weight": torch.zeros(2, 2),
        "extra": torch.zeros(1),
    }
    with pytest.raises(CheckpointError) as caught:
        load_weights(model, weights, "some.pth")
    message = str(caught.value)
    assert "some.pth belongs to another architecture" in message
    assert "not in the file (1): 1.bias" in message
    assert "not in the model (1): extra" in message
    assert "other shape (1): 0.bias (3,) in the file, (2,) in the model" in message
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_long_lists_are_cut(tmp_path):
    model = nn.Sequential(*[nn.Linear(1, 1) for _ in range(20)])
    with pytest.raises(CheckpointError, match=r"\(40\).*and 35 more"):
        load_weights(model, {}, "empty.pth")


def test_no_training_goes_on_from_bare_weights(tmp_path):
    model = nn.Linear(1, 1)
    torch.save(model.state_dict(), tmp_path / "bare.pth")
    with pytest.raises(CheckpointError, match=r"lacks counter.*train\.init_checkpoint"):
        Checkpointer(model, tmp_path, counter=Counter()).load(tmp_path / "bare.pth")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"model_0000002.pth",  # is not there
        b"../../../../etc/passwd",
        b"folder/model_0000003.pth",
        b"/etc/passwd",
        bytes(range(256)),
        b"m" * 10_000_000,
        b"model_0000001.pth\0",
        "mödel.pth\n".encode("utf-16"),
    ],
)
def test_a_pointer_that_names_no_file_beside_it_names_none(tmp_path, text):
    Checkpointer(nn.Linear(1, 1), tmp_path).save("model_0000001", iteration=1)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "model_0000003.pth").write_bytes(b"")
    (tmp_path / "last_checkpoint").write_bytes(text)
    assert last_checkpoint(tmp_path) is None


def test_a_pointer_that_is_a_folder_names_none(tmp_path):
    (tmp_path / "last_checkpoint").mkdir()
    assert last_checkpoint(tmp_path) is None


@pytest.mark.parametrize("part", ["model", "ema", "optimizer"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_no_checkpoint(tmp_path, part, value):
    model = nn.Linear(2, 2)
    ema, optimizer = ModelEMA(model), torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    saver = Checkpointer(model, tmp_path, optimizer=optimizer, ema=ema, hooks=Counter(value))
    first = saver.save("model_0000001", iteration=1)
    before = first.read_bytes()
    moment = optimizer.state[model.bias]["exp_avg"]
    with torch.no_grad():
        {"model": model.bias, "ema": ema.module.bias, "optimizer": moment}[part][1] = value
    message = rf"model_0000002\.pth is not written: 1 of \d+ tensors are not finite \({part}\..*"
    with pytest.raises(TrainingError, match=message + r"--resume goes on from .*0000001\.pth"):
        saver.save("model_0000002", iteration=2)
    assert first.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["last_checkpoint", "model_0000001.pth"]
    assert last_checkpoint(tmp_path) == first


class Masked(nn.Module):
    infinite_buffers = ("mask",)

    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.tensor([0.0, float("-inf")]))


def test_a_buffer_may_declare_that_it_holds_infinities(tmp_path):
    model = nn.Sequential(Masked(), nn.Linear(1, 1))
    saver = Checkpointer(model, tmp_path, ema=ModelEMA(model))
    saver.save("model_0000001", iteration=1)
    model[0].mask[0] = float("nan")
    with pytest.raises(TrainingError, match=r"\(model\.0\.mask\)"):
        saver.save("model_0000002", iteration=2)


def test_an_optimizer_of_other_groups_is_refused(tmp_path):
    model = nn.Linear(1, 1)
    saved = torch.optim.AdamW(model.parameters())
    path = Checkpointer(model, tmp_path, optimizer=saved).save("model_final", iteration=0)
    other = torch.optim.AdamW([{"params": [model.weight]}, {"params": [model.bias]}])
    with pytest.raises(CheckpointError, match=r"optimizer state.*does not fit"):
        Checkpointer(model, tmp_path, optimizer=other).load(path)


def test_the_moving_average_counts_unless_the_model_is_asked_for():
    both = {"model": {"w": 1}, "ema": {"w": 2}}
    assert choose_weights(both, None, "x") == ("ema", {"w": 2})
    assert choose_weights(both, "model", "x") == ("model", {"w": 1})
    assert choose_weights({"model": {"w": 1}}, None, "x") == ("model", {"w": 1})
    with pytest.raises(CheckpointError, match=r"x has no 'ema' weights"):
        choose_weights({"model": {"w": 1}}, "ema", "x")


def ema_of_integers(content):
    content["ema"]["weight"] = torch.ones(2, 2, dtype=torch.int64)


def other_moments(content):
    content["optimizer"]["state"][0]["exp_avg"] = torch.zeros(5)


def text_as_state(content):
    content["optimizer"]["state"][1] = None


def put(key, value):
    return lambda content: content.update({key: value})


@pytest.mark.parametrize(
    "change, message",
    [
        (put("iteration", "x"), "iteration is 'x'"),
        (put("iteration", 10**30), "iteration is 1000"),
        (put("iteration", -1), "iteration is -1"),
        (put("iteration", True), "iteration is True"),
        (put("iteration", 1.5), "iteration is 1.5"),
        (put("hooks", None), "the hooks state"),
        (put("hooks", {"EMAHook": {"updates": "x"}}), "the hooks state .*updates is 'x'"),
        (put("hooks", {"BestCheckpointer": {"best": "x", "best_iteration": 1}}), "the hooks .*'x'"),
        (put("model", None), "lacks|model"),
        (put("model", "x"), "holds a str as model"),
        (put("model", {"weight": "x", "bias": 1}), "holds a str as weight"),
        (put("ema", "x"), "the ema state .*holds a str"),
        (ema_of_integers, r"the ema state .*weight as torch\.int64"),
        (put("optimizer", [1]), "the optimizer state"),
        (other_moments, r"the optimizer state .*exp_avg has shape \(5,\) for .*\(2, 2\)"),
        (text_as_state, "the optimizer state .*NoneType"),
        (put("scheduler", {"iteration": "x"}), "the scheduler state .*iteration is 'x'"),
        (put("random_state", {"ranks": ["x"]}), "the random_state state"),
    ],
)
def test_wrong_types_are_one_error_that_names_file_and_part(tmp_path, change, message):
    model = nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    ema = ModelEMA(model)
    trainer = Trainer(model, [], optimizer)
    saver = Checkpointer(
        model,
        tmp_path,
        optimizer=optimizer,
        ema=ema,
        hooks=trainer,
        scheduler=LRMultiplier(optimizer, OneCycleParamScheduler(), 9),
        random_state=RandomState(),
    )
    trainer.register_hooks([EMAHook(ema), BestCheckpointer(saver)])
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    path = saver.save("model_0000001", iteration=1)
    saver.load(path)
    content = torch.load(path)
    change(content)
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=message) as caught:
        saver.load(path)
    assert str(path) in str(caught.value)


def test_wrong_weights_to_evaluate_are_refused():
    with pytest.raises(CheckpointError, match="x holds a str, not weights by name"):
        load_weights(nn.Linear(1, 1), choose_weights({"model": {}, "ema": "x"}, None, "x")[1], "x")


@pytest.mark.parametrize(
    "damage, said",
    [
        (lambda state: state.pop("exp_avg"), "exp_avg of a parameter is missing"),
        (lambda state: state.update(exp_avg=b"abc"), "exp_avg of a parameter is bytes"),
        (lambda state: state.update(exp_avg=torch.tensor(1.0)), "exp_avg .* is one number"),
        (lambda state: state.update(more=3), "more of a parameter is int"),
    ],
)
def test_moments_are_of_one_kind_for_all_parameters(damage, said):
    model = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    check_moments(optimizer)
    damage(optimizer.state[model.weight])
    with pytest.raises(CheckpointError, match=said):
        check_moments(optimizer)
