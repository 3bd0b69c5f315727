"""Thresholds travel: from a training over its analysis and a checkpoint into predictions."""

import json

import pytest

from aligndetr import cli
from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.engine.run import train
from tests.engine.toy import write_coco


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of an AlignDETR-tiny that saw ten images a few times, and of these images."""
    folder = tmp_path_factory.mktemp("travel")
    write_coco(folder)
    data = f"json_file={folder}/boxes.json", f"image_root={folder}"
    overrides = [f"dataloader.{split}.dataset.{x}" for split in ("train", "test") for x in data]
    overrides += [f"dataloader.{split}.num_workers=0" for split in ("train", "test")]
    overrides += ["dataloader.train.total_batch_size=2", "train.device=cpu", "train.max_iter=6"]
    overrides += [f"train.output_dir={folder}/run", "train.eval_period=0"]
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    train(LazyConfig.apply_overrides(config, overrides))
    return folder


def agreeable(folder, stored):
    """Ground truth in which each class' detections of ranks 3 to 8 and 30 are right.

    After so few steps nothing else could be found.
    """
    truth = json.loads((folder / "boxes.json").read_text())
    truth["annotations"] = []
    for number in (5, 6, 7):
        ranked = sorted(stored, key=lambda entry: -entry["score"])
        ranked = [entry for entry in ranked if entry["category_id"] == number]
        for entry in [*ranked[2:8], ranked[29]]:
            place = {"id": len(truth["annotations"]) + 1, "area": 99, "iscrowd": 0}
            truth["annotations"].append({**entry, **place})
    return truth


def test_thresholds_travel_from_training_to_predictions(trained, tmp_path, capsys):
    run, analysis = trained / "run", tmp_path / "analysis"
    stored = json.loads((run / "coco_instances_results.json").read_text())
    (tmp_path / "truth.json").write_text(json.dumps(agreeable(trained, stored)))
    weights, copy = run / "model_final.pth", analysis / "model_operating_point.pth"
    words = ["--checkpoint", str(weights), "--rounds", "3", "--output", str(analysis)]
    words += ["--json-file", str(tmp_path / "truth.json")]
    assert cli.main(["analyze", str(run), *words]) == 0
    classes = json.loads((analysis / "analysis.json").read_text())["classes"]
    thresholds = {index + 5: entry["f1"]["threshold"] for index, entry in enumerate(classes)}
    assert len(set(thresholds.values())) == 3  # so that a mixed-up order is seen

    output = tmp_path / "out"
    capsys.readouterr()
    images = map(str, trained.glob("*.png"))
    words = ["--checkpoint", str(copy), *images, "--output", str(output), "train.device=cpu"]
    assert cli.main(["predict", *words]) == 0
    assert "threshold" in capsys.readouterr().out
    found = json.loads((output / "predictions.json").read_text())
    place = {image["id"]: image["file_name"] for image in found["images"]}
    numbers = {"red": 5, "green": 6, "blue": 7}
    names = {category["id"]: numbers[category["name"]] for category in found["categories"]}
    shown = [
        (place[entry["image_id"]], names[entry["category_id"]], entry["score"])
        for entry in found["annotations"]
    ]

    # of what the evaluation stored, those above the threshold of their class; rounding may move
    # the one that made the threshold to either side of it
    kept = [(f"{trained}/{e['image_id']}.png", e["category_id"], e["score"]) for e in stored]
    assert all(score > thresholds[number] - 1e-5 for _, number, score in shown)
    shown, kept = (
        sorted(entry for entry in entries if entry[2] > thresholds[entry[1]] + 1e-5)
        for entries in (shown, kept)
    )
    assert len(kept) >= 3 * 7  # of each class those of ranks 1 to 7 at least
    assert [entry[:2] for entry in shown] == [entry[:2] for entry in kept]
    assert [e[2] for e in shown] == pytest.approx([e[2] for e in kept], abs=1e-5)
