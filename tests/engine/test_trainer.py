import copy

import pytest
import torch
from torch import nn

from aligndetr.engine.events import get_event_storage
from aligndetr.engine.hooks import Hook
from aligndetr.engine.nonfinite import load_batches
from aligndetr.engine.precision import Precision
from aligndetr.engine.trainer import Shared, Trainer
from aligndetr.errors import ConfigError, DataError, TrainingError


def make_trainer(model, loader, **arguments):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return Trainer(model, loader, optimizer, **arguments)


def parameters(model):
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


class Recorder(Hook):
    def __init__(self, events):
        self.events = events

    def __getattribute__(self, name):
        if name.startswith(("before_", "after_")):
            return lambda: self.events.append((name, self.trainer.iter))
        return super().__getattribute__(name)


def test_hooks_are_called_at_their_moments(toy_detector, toy_loader):
    events = []
    trainer = make_trainer(toy_detector(), toy_loader())
    trainer.register_hooks([Recorder(events)])
    trainer.train(3, 5)
    steps = [
        (moment, iteration)
        for iteration in (3, 4)
        for moment in ("before_step", "after_backward", "after_step")
    ]
    assert events == [("before_train", 3), *steps, ("after_train", 5)]


def test_after_train_is_called_after_a_failure_too(toy_detector, toy_loader):
    events = []
    trainer = make_trainer(toy_detector(), toy_loader(fail_at=2))
    trainer.register_hooks([Recorder(events)])
    with pytest.raises(OSError, match="disk"):
        trainer.train(0, 5)
    assert events[-1] == ("after_train", 2)
    assert isinstance(trainer.failure, OSError)


def test_a_step_is_the_one_of_plain_gradient_descent(toy_detector, toy_loader):
    model = toy_detector()
    expected = copy.deepcopy(model)
    batch = next(iter(toy_loader()))
    trainer = make_trainer(model, iter([batch]))
    trainer.train(0, 1)
    loss = sum(expected(batch).values())
    loss.backward()
    with torch.no_grad():
        for parameter in expected.parameters():
            parameter -= 0.1 * parameter.grad
    torch.testing.assert_close(parameters(model), parameters(expected), rtol=1e-6, atol=1e-7)
    assert trainer.storage.latest()["total_loss"] == (pytest.approx(loss.item()), 0)


@pytest.mark.parametrize("parts", [2, 4])
def test_accumulated_micro_batches_are_one_large_batch(toy_detector, make_item, parts):
    items = [make_item(i, objects) for i, objects in enumerate([0, 3, 1, 0, 2, 5, 0, 0])]
    large, small = toy_detector(), toy_detector()
    whole = make_trainer(large, iter([items]))
    whole.train(0, 1)
    size = len(items) // parts
    micro = [items[start : start + size] for start in range(0, len(items), size)]
    split = make_trainer(small, iter(micro), accumulation_steps=parts)
    split.train(0, 1)
    torch.testing.assert_close(parameters(small), parameters(large), rtol=1e-6, atol=1e-7)
    for name, (value, _) in whole.storage.latest().items():
        if "time" not in name:
            assert split.storage.latest()[name][0] == pytest.approx(value, rel=1e-5), name


class Mean(nn.Module):
    """A model of another toolbox: no num_boxes, losses are means over the batch."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, batch):
        return {"loss": (self.weight * torch.tensor(batch)).mean()}


def test_models_that_normalise_themselves_are_averaged():
    model = Mean()
    trainer = make_trainer(model, iter([[1.0, 3.0], [5.0, 7.0]]), accumulation_steps=2)
    shared = Shared(num_boxes=torch.tensor(1.0), stops=torch.tensor(0.0))
    trainer._share = lambda batches: shared  # these are no detection items
    trainer.train(0, 1)
    assert model.weight.item() == pytest.approx(1 - 0.1 * 4)  # the mean of 1, 3, 5, 7


def test_gradients_are_clipped_to_the_norm(toy_detector, toy_loader):
    model = toy_detector()
    before = parameters(model)
    trainer = make_trainer(model, toy_loader(), clip_grad={"max_norm": 0.01, "norm_type": 2})
    trainer.train(0, 1)
    assert (parameters(model) - before).norm().item() == pytest.approx(0.1 * 0.01, rel=1e-3)
    assert trainer.storage.latest()["grad_norm"][0] > 0.01  # recorded before clipping


def test_the_whole_forward_is_under_autocast(toy_detector, toy_loader):
    model = toy_detector()
    precision = Precision(torch.device("cpu"), "bfloat16")
    make_trainer(model, toy_loader(), precision=precision).train(0, 1)
    assert model.dtypes == [torch.bfloat16]
    make_trainer(model, toy_loader()).train(0, 1)
    assert model.dtypes[-1] == torch.float32


def test_float16_needs_a_gpu():
    with pytest.raises(ConfigError, match=r"float16 needs a GPU.*bfloat16 works"):
        Precision(torch.device("cpu"), "float16")
    with pytest.raises(ConfigError, match=r"half.*bfloat16, float16"):
        Precision(torch.device("cpu"), "half")


def break_item(batch):
    batch[1]["instances"].gt_boxes.tensor[0, 0] = float("nan")


def test_a_loss_that_is_nan_stops_with_names_and_a_batch_to_replay(
    toy_detector, make_item, tmp_path
):
    batches = [[make_item(2 * i, 1), make_item(2 * i + 1, 2)] for i in range(3)]
    break_item(batches[2])
    model = toy_detector()
    trainer = make_trainer(model, iter(batches), dump_folder=tmp_path)
    with pytest.raises(TrainingError) as caught:
        trainer.train(0, 3)
    message = str(caught.value)
    assert "iteration 2" in message
    assert "not finite: loss_bbox\n" in message
    assert "4 (image_4.png), 5 (image_5.png)" in message
    assert parameters(model).isfinite().all()

    [dump] = tmp_path.glob("*.pth")
    assert str(dump) in message
    [replayed] = load_batches(dump)
    assert [item["file_name"] for item in replayed] == ["image_4.png", "image_5.png"]
    assert replayed[0]["instances"].image_size == (10, 12)
    losses, expected = model(replayed), model(batches[2])
    assert losses["loss_bbox"].isnan()
    assert torch.equal(losses["loss_class"], expected["loss_class"])


class Root(nn.Module):
    """The square root has an infinite gradient at 0, where the loss is finite."""

    def __init__(self):
        super().__init__()
        self.fine = nn.Parameter(torch.ones(1))
        self.bad = nn.Parameter(torch.zeros(1))

    def forward(self, batch, num_boxes=None):
        return {"loss": self.fine.sum() + self.bad.sqrt().sum()}


def test_a_gradient_that_is_infinite_stops_and_is_named(make_item):
    model = Root()
    clip = {"max_norm": 1.0, "norm_type": 2}
    trainer = make_trainer(model, iter([[make_item(0, 1)]]), clip_grad=clip)
    with pytest.raises(TrainingError, match=r"gradients: 1 of 2 .* not finite \(bad\)"):
        trainer.train(0, 1)
    assert model.bad.item() == 0


@pytest.mark.parametrize("wrong", [0, 1])  # of two micro-batches
def test_a_failed_step_leaves_buffers_as_they_were(toy_detector, make_item, wrong):
    batches = [[make_item(2 * i, 1), make_item(2 * i + 1, 2)] for i in range(4)]
    batches[2 + wrong][0]["image"] = torch.full((3, 10, 12), float("nan"))
    model, expected = toy_detector(norm=True), toy_detector(norm=True)
    make_trainer(expected, iter(batches[:2]), accumulation_steps=2).train(0, 1)
    assert expected.norm.num_batches_tracked == 2
    with pytest.raises(TrainingError, match="iteration 1"):
        make_trainer(model, iter(batches), accumulation_steps=2).train(0, 2)
    for name, value in expected.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name


def test_weights_that_are_not_finite_are_counted(toy_detector, toy_loader):
    model = toy_detector()
    model.out.bias.data[0] = float("inf")
    with pytest.raises(TrainingError, match=r"before this step already: 1 of 4 tensors.*out\.bias"):
        make_trainer(model, toy_loader()).train(0, 1)


def test_a_batch_that_cannot_be_kept_hides_no_error(toy_detector, make_item, tmp_path):
    batch = [make_item(0, 1), make_item(1, 2)]
    break_item(batch)
    (tmp_path / "file").write_text("")
    trainer = make_trainer(toy_detector(), iter([batch]), dump_folder=tmp_path / "file")
    with pytest.raises(TrainingError, match=r"not finite: loss_bbox(.|\n)*the batch is not kept: "):
        trainer.train(0, 1)


class FailsAtTheEnd(Hook):
    def after_train(self):
        raise ValueError("at the end")


def test_every_hook_hears_of_the_end(toy_detector, toy_loader):
    events = []
    trainer = make_trainer(toy_detector(), toy_loader())
    trainer.register_hooks([FailsAtTheEnd(), Recorder(events)])
    with pytest.raises(ValueError, match="at the end"):
        trainer.train(0, 1)
    assert events[-1] == ("after_train", 1)


def test_the_first_failure_is_the_one_that_is_raised(toy_detector, toy_loader, caplog):
    trainer = make_trainer(toy_detector(), toy_loader(fail_at=1))
    trainer.register_hooks([FailsAtTheEnd()])
    with pytest.raises(OSError, match="disk"):
        trainer.train(0, 5)
    assert "at the end" in caplog.text


def test_a_broken_dump_is_no_crash(tmp_path):
    from aligndetr.errors import CheckpointError

    (tmp_path / "x.pth").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot read batches"):
        load_batches(tmp_path / "x.pth")


def test_a_loader_that_ends_is_an_error(toy_detector, make_item):
    with pytest.raises(DataError, match="must be endless"):
        make_trainer(toy_detector(), iter([[make_item(0, 1)]])).train(0, 2)


def test_stop_ends_the_training_after_a_whole_step(toy_detector, toy_loader):
    class Stopper(Hook):
        def before_step(self):
            if self.trainer.iter == 2:
                self.trainer.stop("enough")

    trainer = make_trainer(toy_detector(), toy_loader())
    trainer.register_hooks([Stopper()])
    trainer.train(0, 10)
    assert (trainer.iter, trainer.completed, trainer.stop_reason) == (3, 3, "enough")


def test_the_storage_is_global_only_while_training(toy_detector, toy_loader):
    class Asker(Hook):
        def after_step(self):
            get_event_storage().put_scalar("asked", self.trainer.iter)

    trainer = make_trainer(toy_detector(), toy_loader())
    trainer.register_hooks([Asker()])
    trainer.train(0, 2)
    assert trainer.storage.latest()["asked"] == (1, 1)
    with pytest.raises(RuntimeError, match="running Trainer"):
        get_event_storage()


def test_with_loss_scaling_a_loss_of_another_process_stops_this_one_too(
    toy_detector, toy_loader, monkeypatch
):
    model = toy_detector()
    precision = Precision(torch.device("cpu"))
    precision.scaler = torch.amp.GradScaler("cpu")
    trainer = make_trainer(model, toy_loader(), precision=precision)
    before = parameters(model)
    monkeypatch.setattr(
        "aligndetr.engine.trainer.all_reduce_sum",
        # what all processes share before a step is a vector, the loss a number
        lambda tensor: tensor if tensor.dim() else tensor + float("nan"),
    )
    with pytest.raises(TrainingError, match=r"not finite|a gradient is not"):
        trainer.train(0, 2)
    assert torch.equal(parameters(model), before)
