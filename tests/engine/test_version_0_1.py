"""What version 0.1 wrote is loaded, resumed and evaluated (tests/data/v0_1)."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from aligndetr.config import LazyConfig, instantiate, locate
from aligndetr.engine.run import evaluate, train

FILES = Path(__file__).parents[1] / "data" / "v0_1"
CONFIGS = sorted(path.stem for path in (FILES / "configs").glob("*.yaml"))
DETECTIONS = "coco_instances_results.json"


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """A copy of the interrupted run; the demo data is drawn anew."""
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path / "datasets"))
    return Path(shutil.copytree(FILES / "run", tmp_path / "run"))


def load(folder, *overrides):
    config = LazyConfig.load(folder / "config.yaml")
    return LazyConfig.apply_overrides(config, [f"train.output_dir={folder}", *overrides])


def assert_close(first, second):
    for name, value in first.items():
        # 4 steps at rates below 1e-3; another processor may round otherwise
        torch.testing.assert_close(second[name], value, rtol=1e-3, atol=1e-5, msg=name)


def test_an_interrupted_run_is_resumed(run_folder):
    expected = torch.load(run_folder / "model_final.pth", weights_only=True)
    before = torch.load(run_folder / "model_0000003.pth", weights_only=True)
    (run_folder / "model_final.pth").unlink()
    results = train(load(run_folder), resume=True)
    reached = torch.load(run_folder / "model_final.pth", weights_only=True)
    assert reached["iteration"] == expected["iteration"] == 7
    for part in ("model", "ema"):
        assert_close(expected[part], reached[part])
        with pytest.raises(AssertionError):
            assert_close(expected[part], before[part])
    written = json.loads((FILES / "run" / "results.json").read_text())
    assert results.keys() == written.keys()
    lines = (run_folder / "metrics.json").read_text().splitlines()
    assert [json.loads(line)["iteration"] for line in lines] == [7]


def test_a_checkpoint_is_evaluated(run_folder):
    expected = json.loads((run_folder / DETECTIONS).read_text())
    evaluate(load(run_folder), str(run_folder / "model_final.pth"))
    found = json.loads((run_folder / "eval-shapes_mini_val" / DETECTIONS).read_text())
    assert [d["image_id"] for d in found] == [d["image_id"] for d in expected]
    scores = torch.tensor([d["score"] for d in found])
    torch.testing.assert_close(
        scores, torch.tensor([d["score"] for d in expected]), rtol=1e-3, atol=1e-5
    )


def test_it_starts_another_training(run_folder, tmp_path):
    start = run_folder / "model_final.pth"
    weights = torch.load(start, weights_only=True)["model"]
    again = tmp_path / "again"
    train(load(again.parent / "run", f"train.init_checkpoint={start}", "train.max_iter=1",
               "optimizer.lr=0", f"train.output_dir={again}"))  # fmt: skip
    reached = torch.load(again / "model_final.pth", weights_only=True)["model"]
    learned = [name for name in weights if "running_" not in name and "tracked" not in name]
    assert len(learned) > 50
    assert all(torch.equal(reached[name], weights[name]) for name in learned)


def targets(node):
    """Every name that the config calls."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "_target_" and isinstance(value, str):
                yield value
            else:
                yield from targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from targets(value)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_name_in_a_saved_config_still_means_something(name):
    from omegaconf import OmegaConf

    config = LazyConfig.load(FILES / "configs" / f"{name}.yaml")
    found = set(targets(OmegaConf.to_container(config, resolve=False)))
    assert len(found) > 20
    assert all(callable(locate(target)) for target in found)


@pytest.mark.parametrize("name", [name for name in CONFIGS if name.endswith("_tiny")])
def test_a_saved_config_builds_what_the_shipped_one_builds(name):
    from aligndetr.config.find_file import resolve_config

    models = []
    for file in (FILES / "configs" / f"{name}.yaml", resolve_config(name)):
        config = LazyConfig.load(file)
        config.model.num_classes = 8
        config.model.decoder.first_size_bias = 0.0  # where boxes started in 0.1
        torch.manual_seed(0)
        models.append(instantiate(config.model))
        assert instantiate(config.lr_multiplier)(0.5) > 0
    old, new = (model.state_dict() for model in models)
    assert old.keys() == new.keys()
    assert all(torch.equal(old[key], new[key]) for key in old)
    assert str(models[0]) == str(models[1])
