"""`aligndetr plan` prints what the data decide, a table, and what to type."""

import pytest

from aligndetr import cli
from aligndetr.commands.plan import format_duration
from aligndetr.config import LazyConfig
from aligndetr.data.demo_shapes import ensure_shapes
from aligndetr.engine import planning
from aligndetr.engine.trial import Trial

GB = 10**9


@pytest.fixture
def tried(tmp_path, monkeypatch):
    """Trials of a law: 1 GB and 0.5 GB an image, half of it in bfloat16, which takes as long."""
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    ensure_shapes("shapes_mini_train", tmp_path)
    calls = []

    def attempt(read, overrides, batch_size, parts):
        config = LazyConfig.apply_overrides(read(), list(overrides))
        calls.append((config.train.amp.enabled, list(config.train.activation_checkpointing)))
        image = 0.25 if config.train.amp.enabled else 0.5
        seconds = 0.02 if config.train.activation_checkpointing else 0.01
        peak = round((1 + image * batch_size) * GB)
        return Trial(batch_size, batch_size * 1000, peak, seconds * batch_size)

    monkeypatch.setattr(planning, "try_apart", attempt)
    return calls


def plan(*words):
    names = ["train.device=cpu", "dataloader.train.dataset.names=shapes_mini_train"]
    return cli.main(["plan", "aligndetr_tiny", *names, *words])


def test_a_memory_that_is_too_small_for_the_batch(tried, capsys):
    assert plan("--memory", "4GB", "train.max_iter=1000") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1000 iterations = 500.00 epochs of 16 images: steps of 8 images")
    rows = [line.split() for line in lines if " GB " in line and ":" not in line]
    as_configured = ["as", "configured"]
    # 4 images take 1 + 4 / 2 GB, 8 take 5; 1000 steps of 8 images of 0.01 s are 80 s
    assert [*as_configured, *["8", "x", "1", "5.00", "GB", "measured", "1.33", "min", "*"]] in rows
    assert [*as_configured, *["4", "x", "2", "3.00", "GB", "measured", "1.33", "min"]] in rows
    assert ["bfloat16", "8", "x", "1", "3.00", "GB", "measured", "1.33", "min"] in rows
    assert lines[-1] == "  train.accumulation_steps=2"  # the least change of those as fast
    assert max(map(len, lines[4:])) <= 80
    # the tiny backbone has batch norms that train
    assert (True, ["encoder", "decoder"]) in tried


def test_nothing_fits(tried, capsys):
    assert plan("--memory", "1GB") == 1
    assert "nothing fits 1.00 GB" in capsys.readouterr().out


def test_enough_memory_asks_for_nothing(tried, capsys):
    assert plan("--memory", "80GB") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "  nothing: the config as it is"


def test_no_amount(capsys):
    assert plan("--memory", "much") == 2
    assert "'much' is no amount of memory" in capsys.readouterr().err


def test_durations():
    assert [format_duration(s) for s in (45, 720, 12600, 4 * 86400)] == [
        "45 s",
        "12 min",
        "3.5 h",
        "4 days",
    ]
