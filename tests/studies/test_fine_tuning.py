"""From nothing and from a detector, on data that were never seen by it."""

import dataclasses
import json

import pytest
from PIL import Image

from aligndetr.config import LazyConfig
from aligndetr.engine.loaders_from_config import load_dataset
from studies import fine_tuning, recipes, training
from studies.fine_tuning import FEW_CLASSES, TRANSFERS, config_of, few_photographs

PAGE = "<!-- fine-tuning -->\n<!-- end of fine-tuning -->\n"


@pytest.fixture
def data(tmp_path):
    """Three splits; image n of 45 has a box of each class, 10 + n pixels wide."""
    folder = tmp_path / "data"
    names = ("RBC", *reversed(FEW_CLASSES))
    categories = [{"id": place, "name": name} for place, name in enumerate(names, start=1)]
    for split, count in (("train", 2), ("val", 45), ("test", 3)):
        (folder / "images" / split).mkdir(parents=True)
        images, objects = [], []
        for number in range(count):
            name = f"{split}_{number:02d}.png"
            Image.new("RGB", (64, 48), (number, 80, 90)).save(folder / "images" / split / name)
            images.append({"id": number, "file_name": name, "width": 64, "height": 48})
            objects += [
                {"id": 3 * number + place, "image_id": number, "category_id": place, "iscrowd": 0,
                 "bbox": [5, 5, 10 + number % 9, 4 * place], "area": 40}
                for place in (1, 2, 3)
            ]  # fmt: skip
        content = {"images": images, "annotations": objects, "categories": categories}
        (folder / f"{split}.json").write_text(json.dumps(content))
    return folder


def test_few_photographs_are_others_with_two_classes_in_another_order(data, tmp_path):
    words = [*few_photographs(data, tmp_path / "few"), "dataloader.test.dataset.split=test"]
    trial = recipes.TRIALS[recipes.CHOSEN]
    config = LazyConfig.apply_overrides(recipes.trial_config(trial, data, 0), words)
    train, test = load_dataset(config, "train"), load_dataset(config, "test")
    assert train.class_names == test.class_names == list(FEW_CLASSES)
    assert (len(train), len(test)) == (40, 3)
    assert all("/val/val_" in record["file_name"] for record in train)
    first = train[0]["annotations"]
    # In the data WBC is class 3, 12 pixels high, and platelets class 2, 8 pixels high.
    assert {(one["category_id"], one["bbox"][3]) for one in first} == {(0, 12), (1, 8)}


def test_the_runs_differ_in_start_and_rate(data, tmp_path):
    transfer = TRANSFERS[0]
    nothing, detector = (
        config_of(transfer, start, data, tmp_path) for start in ("nothing", "detector")
    )
    assert nothing.train.init_checkpoint == ""
    assert detector.train.init_checkpoint == str(transfer.start.absolute())
    assert (nothing.optimizer.lr, detector.optimizer.lr) == (3e-3, 1e-3)
    for config in (nothing, detector):
        assert config.dataloader.test.dataset.split == "test"
        config.train.init_checkpoint = config.optimizer.lr = None
    assert nothing == detector


def test_from_nothing_and_from_a_detector(data, trial, tmp_path, monkeypatch):
    monkeypatch.setitem(fine_tuning.TRIALS, fine_tuning.CHOSEN, trial)
    start = tmp_path / "start"
    training.run(recipes.trial_config(trial, data, 0), start)
    transfer = dataclasses.replace(TRANSFERS[1], steps=1, start=start / "model_final.pth")
    monkeypatch.setattr(fine_tuning, "TRANSFERS", (transfer,))
    page, results = tmp_path / "page.md", tmp_path / "results.json"
    page.write_text(PAGE)
    places = [f"--work={tmp_path / 'work'}", f"--results={results}", f"--page={page}"]
    assert fine_tuning.main([str(data), *places]) == 0
    rows = json.loads(results.read_text())["results"]
    assert sorted(row["start"] for row in rows) == ["detector", "nothing"]
    assert f"| {transfer.words} | 1 | {rows[1]['AP']:.1f} |" in page.read_text()
    log = (tmp_path / "work" / "few_detector" / "log.txt").read_text()
    assert "Platelets" in log  # which rows were kept is said
    monkeypatch.setattr(training, "train", lambda *args, **more: pytest.fail("trained"))
    places[0] = f"--work={tmp_path / 'elsewhere'}"  # rows are enough
    assert fine_tuning.main([str(data), *places]) == 0


def test_a_missing_detector_is_named(data, tmp_path, capsys, monkeypatch):
    transfer = dataclasses.replace(TRANSFERS[0], start=tmp_path / "none.pth")
    monkeypatch.setattr(fine_tuning, "TRANSFERS", (transfer,))
    assert fine_tuning.main([str(data), f"--results={tmp_path / 'none.json'}"]) == 2
    assert "run `python -m studies.tiny aligndetr_tiny` first" in capsys.readouterr().err
