import json
import logging
import os
import signal

import pytest
import torch
from omegaconf import OmegaConf

from aligndetr.config import LazyConfig
from aligndetr.engine import finite
from aligndetr.engine.checkpoint import Checkpointer
from aligndetr.engine.hooks import Hook
from aligndetr.engine.model import load_model
from aligndetr.engine.plan import make_plan
from aligndetr.engine.run import TrainingInterrupted, evaluate, train
from aligndetr.engine.stored_config import stored_config
from aligndetr.engine.trainer import Trainer
from aligndetr.errors import CheckpointError, ConfigError, DataError, TrainingError, UserError
from aligndetr.interop import convert_checkpoint


def plan(world_size=1, epoch_size=1000, **train_options):
    total = train_options.pop("total", 16)
    config = {"dataloader": {"train": {"total_batch_size": total}}, "train": train_options}
    return make_plan(OmegaConf.create(config), epoch_size, world_size)


def test_the_published_schedule_is_90000_iterations():
    assert plan(epochs=12, epoch_size=120_000).max_iter == 90_000


def test_length_and_rate_follow_the_batch():
    small = plan(epochs=12, epoch_size=120_000, total=8, reference_batch_size=16)
    assert (small.max_iter, small.lr_factor) == (180_000, 0.5)
    assert "learning rates x 0.5" in small.describe()
    assert plan(epochs=1, total=8, reference_batch_size=None).lr_factor == 1.0


def test_epochs_may_have_a_fraction():
    # 72.5 epochs of 205 images in steps of 8: 72.5 * 205 / 8 = 1857.8
    assert plan(epochs=72.5, epoch_size=205, total=8).max_iter == 1858


@pytest.mark.parametrize("epochs", [0, -1, float("nan"), float("inf"), "many", True])
def test_a_number_of_epochs_is_positive(epochs):
    with pytest.raises(ConfigError, match=r"train\.epochs=.* must be a positive number"):
        plan(epochs=epochs)


def test_max_iter_counts_more_than_epochs():
    assert plan(epochs=12, max_iter=1e3).max_iter == 1000
    assert plan(epochs=12, max_iter=1e3, fast_dev_run={"enabled": True}).max_iter == 3


def test_own_data_is_evaluated_every_epoch():
    own = plan(epochs=12, epoch_size=205, eval_period=5000, eval_epochs=1)
    # 205 / 16 = 12.8 iterations an epoch; 12 of them are 153.75
    assert (own.max_iter, own.eval_period) == (154, 13)
    assert own.num_evaluations == 12  # after 13, 26, ..., 143 = 11 * 13, and after 154
    told = " ".join(own.describe().split())
    assert "154 iterations = 12.02 epochs of 205 images: steps of 16 images" in told
    assert "evaluation every 13 iterations = 1.01 epochs and at the end: 12 in all" in told
    # 3000 / (205 / 16) = 234.1
    assert "train.epochs=235 would be 3000" in told


def test_a_stated_or_sufficient_length_needs_no_advice():
    assert plan(max_iter=154, epoch_size=205).advice == ()
    assert plan(epochs=12, epoch_size=2000, total=8).advice == ()  # 3000 iterations
    assert plan(epochs=12, epoch_size=20, fast_dev_run={"enabled": True}).advice == ()
    assert plan(epochs=12, epoch_size=None, max_iter=7).advice == ()


def test_the_plan_says_that_copies_are_lost(tiny_config):
    # the images have 0, 1, 2, 3, 0, 1, ... objects: 2 of 10 have 3; floor(10 / (2 * 3)) = 1 < 2
    counts = [index % 4 for index in range(10)]
    config = tiny_config("model.num_queries=10")
    [advice] = make_plan(config, 10, 1, counts).advice
    assert "k = 2 is lowered to 1 in 2 of 7 images" in advice
    assert "model.num_queries=12 keeps k = 2" in advice
    assert make_plan(tiny_config("model.num_queries=12"), 10, 1, counts).advice == ()


def test_a_training_says_that_copies_are_lost(tiny_config, tmp_path):
    train(tiny_config("model.num_queries=10", "train.max_iter=1"))
    assert "k = 2 is lowered to 1 in 2 of" in (tmp_path / "run" / "log.txt").read_text()


def test_few_steps_are_advised_against_where_they_are_few():
    [advice] = plan(epochs=12, epoch_size=160).advice  # 120 steps of 16
    assert advice.startswith("few steps to learn from scratch: train.epochs=300 would be 3000")
    assert plan(epochs=12, epoch_size=160, init_checkpoint="run/model_final.pth").advice == ()
    backbone = "detectron2://ImageNetPretrained/torchvision/R-50.pkl"
    [advice] = plan(epochs=12, epoch_size=160, init_checkpoint=backbone).advice
    assert advice.startswith(f"few steps unless {backbone} is a whole detector: train.epochs=300")
    assert plan(max_iter=120, epoch_size=160).advice == ()


def test_the_shorter_period_of_evaluations_counts():
    published = plan(epochs=12, epoch_size=120_000, eval_period=5000, eval_epochs=1)
    assert (published.eval_period, published.num_evaluations) == (5000, 18)
    assert plan(max_iter=9, eval_period=5000).eval_period == 5000  # configs of version 0.1
    assert plan(max_iter=9, eval_period=5000, eval_epochs=None).eval_period == 5000
    assert plan(max_iter=9, epoch_size=None, eval_period=7, eval_epochs=1).eval_period == 7
    assert plan(max_iter=9, epoch_size=3, eval_period=7, eval_epochs=1).eval_period == 1
    only_at_the_end = plan(max_iter=9, eval_period=0, eval_epochs=1)
    assert (only_at_the_end.eval_period, only_at_the_end.num_evaluations) == (0, 1)
    assert "evaluation at the end: 1 in all" in only_at_the_end.describe()


def test_accumulation_divides_the_batch():
    halves = plan(epochs=1, total=12, accumulation_steps=3, world_size=2)
    assert (halves.total_batch_size, halves.loader_batch_size) == (12, 4)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"reference_batch_size": "=1"}, r"train\.reference_batch_size='=1' must be a"),
        ({"max_iter": 2.5}, r"train\.max_iter=2\.5 must be a whole number"),
        ({"max_iter": "many"}, r"train\.max_iter='many' must be a whole number"),
        ({"max_iter": 0}, "nothing to train in 0"),
        ({"epochs": None}, r"give train\.max_iter, or train\.epochs"),
        ({"max_iter": 1, "total": 6, "accumulation_steps": 4}, "use a multiple of 4"),
        ({"max_iter": 1, "total": 6, "world_size": 4}, r"6 cannot be divided.*4 processes"),
        ({"max_iter": 1, "eval_period": 0.5}, r"train\.eval_period=0\.5"),
        ({"max_iter": 1, "total": 0}, "must be a positive number"),
    ],
)
def test_numbers_that_do_not_fit_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        plan(**options)


def test_a_run_leaves_everything_in_its_folder(tiny_config, tmp_path, capsys):
    config = tiny_config(
        "train.eval_period=2",
        "train.validation_loss.enabled=true",
        "train.accumulation_steps=2",
        "train.amp.enabled=true",
        "train.seed=-1",
    )
    before = LazyConfig.to_py(config)
    results = train(config)
    assert LazyConfig.to_py(config) == before
    folder = tmp_path / "run"
    lines = capsys.readouterr().out.splitlines()
    ap, ap50 = results["bbox"]["AP"], results["bbox"]["AP50"]
    assert lines[-1] == f"bbox AP {ap:.1f} AP50 {ap50:.1f} -> {folder}"
    for name in ("model_final.pth", "log.txt", "curves.png", "pictures/predictions.png"):
        assert (folder / name).is_file(), name
        assert any(str(folder / name) in line for line in lines), name
    assert (
        json.loads((folder / "results.json").read_text())["bbox"].keys() == results["bbox"].keys()
    )

    metrics = [json.loads(line) for line in (folder / "metrics.json").read_text().splitlines()]
    assert [entry["iteration"] for entry in metrics] == [0, 1, 2]
    assert ["bbox/AP" in entry for entry in metrics] == [False, True, True]
    assert ["validation_loss" in entry for entry in metrics] == [False, True, True]

    content = torch.load(folder / "model_final.pth", weights_only=True)
    assert content["class_names"] == ["red", "green", "blue"]
    saved = LazyConfig.load(folder / "config.yaml")
    assert saved.model.num_classes is None  # as stated: other data may decide otherwise
    assert saved.train.seed >= 0
    assert content["config"] == (folder / "config.yaml").read_text()

    again = evaluate(saved, str(folder / "model_final.pth"))
    assert again["bbox"]["AP"] == pytest.approx(results["bbox"]["AP"], nan_ok=True)
    assert capsys.readouterr().out.splitlines()[-1] == f"{lines[-1]}/eval-boxes"


def test_a_saved_config_fine_tunes_on_other_classes(tiny_config, tmp_path, coco_folder):
    train(tiny_config("train.max_iter=1"))
    content = json.loads((coco_folder / "boxes.json").read_text())
    content["categories"] = [{"id": 5, "name": "blue"}, {"id": 7, "name": "gold"}]
    content["annotations"] = [a for a in content["annotations"] if a["category_id"] != 6]
    (tmp_path / "other.json").write_text(json.dumps(content))
    config = LazyConfig.load(tmp_path / "run" / "config.yaml")
    words = [f"dataloader.{s}.dataset.json_file={tmp_path}/other.json" for s in ("train", "test")]
    words += [f"train.output_dir={tmp_path}/tuned", "optimizer.lr=0"]
    words += [f"train.init_checkpoint={tmp_path}/run/model_final.pth"]
    train(LazyConfig.apply_overrides(config, words))
    before, after = (torch.load(tmp_path / name / "model_final.pth") for name in ("run", "tuned"))
    assert (before["class_names"], after["class_names"]) == (
        ["red", "green", "blue"],
        ["blue", "gold"],
    )
    for name in ("decoder.class_heads.0.weight", "query_source.class_head.bias"):
        assert len(after["model"][name]) == 2
        assert torch.equal(after["model"][name][0], before["model"][name][2])  # blue
    log = " ".join((tmp_path / "tuned" / "log.txt").read_text().split())
    assert "class rows copied by name (1): blue" in log
    assert "class rows of new classes (1): gold" in log
    assert "class rows left out (2): red, green" in log


def test_the_config_in_a_checkpoint_builds_its_model(tiny_config, tmp_path):
    train(tiny_config("train.max_iter=1"))
    path = tmp_path / "run" / "model_final.pth"
    weights = torch.load(path)["model"]
    model = load_model(stored_config(path), path)
    assert model.class_names == ["red", "green", "blue"]
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_the_learning_rate_in_the_metrics_is_scaled(tiny_config, tmp_path):
    train(tiny_config("train.max_iter=1", "train.reference_batch_size=1", "optimizer.lr=0.001"))
    [line] = (tmp_path / "run" / "metrics.json").read_text().splitlines()
    # one-cycle starts at start_factor = 0.05; batch 2 of a reference of 1 doubles it
    assert json.loads(line)["lr"] == pytest.approx(0.001 * 0.05 * 2)


def test_a_wrong_number_of_classes_stops_before_training(tiny_config):
    message = r"model\.num_classes=80, but the dataset .*has 3 classes.*model\.num_classes=3"
    with pytest.raises(ConfigError, match=message):
        train(tiny_config("model.num_classes=80"))


def test_an_output_folder_must_be_writable(tiny_config, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write to .*file/run.*train\.output_dir"):
        train(tiny_config(f"train.output_dir={tmp_path}/file/run"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_an_error(tiny_config):
    with pytest.raises(ConfigError, match=r"train\.device=cuda.*sees no GPU.*train\.device=cpu"):
        train(tiny_config("train.device=cuda"))


def test_averaged_weights_must_exist_to_be_chosen(tiny_config):
    with pytest.raises(ConfigError, match=r"needs train\.model_ema\.enabled=true"):
        train(tiny_config("train.best.weights=ema", "train.model_ema.enabled=false"))


def test_a_folder_without_images_is_an_error(tiny_config, tmp_path):
    with pytest.raises(DataError):
        train(tiny_config(f"dataloader.train.dataset.image_root={tmp_path}/nothing"))


def test_weights_to_start_from_are_loaded(tiny_config, tmp_path):
    train(tiny_config("train.max_iter=1", "train.model_ema.enabled=false"))
    start = torch.load(tmp_path / "run" / "model_final.pth")["model"]
    file = f"train.init_checkpoint={tmp_path}/run/model_final.pth"
    again = f"train.output_dir={tmp_path}/again"
    train(tiny_config("train.max_iter=1", "optimizer.lr=0", "train.seed=5", file, again))
    end = torch.load(tmp_path / "again" / "model_final.pth")["model"]
    weights = [name for name in start if "running_" not in name and "num_batches" not in name]
    assert len(weights) > 50
    assert all(torch.equal(start[name], end[name]) for name in weights)


class SignalHook(Hook):
    def before_step(self):
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_ends_a_run_with_its_exit_code(tiny_config, tmp_path, monkeypatch):
    register = Trainer.register_hooks
    monkeypatch.setattr(
        Trainer, "register_hooks", lambda self, hooks: register(self, [*hooks, SignalHook()])
    )
    with pytest.raises(
        TrainingInterrupted, match="after 1 of 3 iterations; go on with --resume"
    ) as e:
        train(tiny_config())
    assert e.value.exit_code == 143
    assert (tmp_path / "run" / "last_checkpoint").read_text() == "model_0000000.pth"


def test_a_checkpoint_has_its_line_in_the_metrics(tiny_config, tmp_path, monkeypatch):
    save = Checkpointer.save

    def killed(*arguments, **options):
        save(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Checkpointer, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_config("train.checkpointer.period=1"))
    [line] = (tmp_path / "run" / "metrics.json").read_text().splitlines()
    assert json.loads(line)["iteration"] == 0
    assert (tmp_path / "run" / "last_checkpoint").read_text() == "model_0000000.pth"


def test_a_nan_leaves_a_batch_and_a_checkpoint(tiny_config, tmp_path):
    with pytest.raises(TrainingError, match=r"loss_class"):
        train(tiny_config("optimizer.lr=1e18", "train.clip_grad.enabled=false"))
    assert list((tmp_path / "run").glob("nonfinite_*_rank0.pth"))


def test_handlers_of_the_log_are_removed(tiny_config):
    before = list(logging.getLogger("aligndetr").handlers)
    with pytest.raises(ConfigError):
        train(tiny_config("model.num_classes=80"))
    assert logging.getLogger("aligndetr").handlers == before


def test_evaluation_needs_weights(tiny_config):
    with pytest.raises(ConfigError, match="nothing to evaluate"):
        evaluate(tiny_config())


def test_weights_are_looked_through_once(tiny_config, tmp_path, monkeypatch):
    train(tiny_config("train.max_iter=1"))
    looked, describe = [], finite.describe_nonfinite

    def counted(*arguments):
        looked.append(arguments)
        return describe(*arguments)

    monkeypatch.setattr(finite, "describe_nonfinite", counted)
    evaluate(tiny_config(), str(tmp_path / "run" / "model_final.pth"))
    assert len(looked) == 1


def test_evaluating_another_architecture_says_so(tiny_config, tmp_path):
    train(tiny_config("train.max_iter=1"))
    with pytest.raises(CheckpointError, match="another architecture"):
        evaluate(
            tiny_config("model.encoder.num_layers=2"), str(tmp_path / "run" / "model_final.pth")
        )


def test_files_of_other_toolboxes_are_read_too(tiny_config, tmp_path):
    train(tiny_config("train.max_iter=1"))
    ours, theirs = tmp_path / "run" / "model_final.pth", tmp_path / "theirs.pth"
    convert_checkpoint(ours, theirs, "detrex")
    expected = evaluate(tiny_config(), str(ours))["bbox"]
    assert evaluate(tiny_config(), str(theirs))["bbox"] == pytest.approx(expected, nan_ok=True)
