"""Predictions of other data than the ground truth are refused, also where all ids agree."""

import json

import numpy as np
import pytest
from PIL import Image

from aligndetr import cli
from aligndetr.analysis import AnalysisEvaluator
from aligndetr.analysis.stored import dataset_of_run, matches_of_run, objects_of
from aligndetr.data import load_dataset
from aligndetr.errors import DataError
from aligndetr.evaluation import DatasetEvaluators
from aligndetr.evaluation.data_record import record_path, write_record

CONFIG = """
dataloader:
  test:
    dataset:
      _target_: aligndetr.data.load_dataset
      names: null
      json_file: {0}/{0.name}.json
      image_root: {0}
"""


def write_split(folder, names, side):
    """Images of these names with ids from 1, and an object of so many pixels in the first."""
    folder.mkdir()
    for name in names:
        Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(folder / f"{name}.png")
    images = [{"id": i, "file_name": f"{n}.png"} for i, n in enumerate(names, start=1)]
    content = {
        "images": [{**image, "height": 20, "width": 20} for image in images],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [2, 2, side, side]}],
        "categories": [{"id": 7, "name": "cell"}],
    }
    (folder / f"{folder.name}.json").write_text(json.dumps(content))
    return folder


def read_split(folder):
    return load_dataset(None, json_file=folder / f"{folder.name}.json", image_root=folder)


@pytest.fixture
def val(tmp_path):
    return write_split(tmp_path / "val", "ab", 10)


@pytest.fixture
def run(tmp_path, val):
    """A run's folder with predictions for val, which its config names."""
    folder = tmp_path / "run"
    folder.mkdir()
    path = folder / "coco_instances_results.json"
    found = {"image_id": 1, "category_id": 7, "bbox": [2, 2, 10, 10], "score": 0.9}
    path.write_text(json.dumps([found]))
    write_record(path, objects_of(read_split(val))["info"])
    (folder / "config.yaml").write_text(CONFIG.format(val))
    return folder


def test_predictions_of_its_own_data_are_read(run):
    assert len(matches_of_run(run, dataset_of_run(run)).image_ids) == 2


def test_other_images_of_the_same_ids_are_refused(run, tmp_path):
    test = read_split(write_split(tmp_path / "test", "cde", 10))
    with pytest.raises(DataError) as caught:
        matches_of_run(run, test)
    told = str(caught.value)
    assert told.startswith(f"{run}/coco_instances_results.json holds predictions for val ")
    assert f"(2 images, {tmp_path}/val/val.json), not for test (3 images, {tmp_path}/test" in told
    assert f"remove {run}/coco_instances_results.data.json" in told


def test_a_twin_with_equal_names_of_images_is_refused(run, tmp_path):
    twin = read_split(write_split(tmp_path / "twin", "ab", 12))
    with pytest.raises(DataError, match=r"predictions for val .*, not for twin "):
        matches_of_run(run, twin)


def test_the_command_compares_with_what_the_config_names_now(run, tmp_path, capsys):
    words = ["analyze", str(run), "--rounds", "2", "--output", str(tmp_path / "out")]
    assert cli.main(words) == 0
    (run / "config.yaml").write_text(CONFIG.format(write_split(tmp_path / "test", "cd", 10)))
    assert cli.main(words) == 2
    assert "predictions for val" in capsys.readouterr().err


def test_data_may_be_moved(run, val, tmp_path):
    val.rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "val.json").rename(tmp_path / "elsewhere" / "elsewhere.json")
    matches_of_run(run, read_split(tmp_path / "elsewhere"))


def test_objects_may_be_corrected(run, val, tmp_path):
    content = json.loads((val / "val.json").read_text())
    content["annotations"][0]["bbox"] = [2, 2, 12, 12]
    (val / "corrected.json").write_text(json.dumps(content))  # and be named so
    words = ["analyze", str(run), "--json-file", str(val / "corrected.json"), "--rounds", "2"]
    assert cli.main([*words, "--output", str(tmp_path / "out")]) == 0
    (val / "corrected.json").rename(val / "val.json")  # or stay where they are
    matches_of_run(run, dataset_of_run(run))


def test_a_named_file_of_other_images_is_refused(run, tmp_path, capsys):
    other = write_split(tmp_path / "test", "cd", 10)
    assert cli.main(["analyze", str(run), "--json-file", str(other / "test.json")]) == 2
    assert "predictions for val" in capsys.readouterr().err


def test_what_says_nothing_may_be_of_any_data(run, tmp_path):
    test = read_split(write_split(tmp_path / "test", "cd", 10))
    path = run / "coco_instances_results.json"
    path.write_text(f"{path.read_text()}\n")  # written by something else since
    matches_of_run(run, test)
    record_path(path).unlink()
    matches_of_run(run, test)


@pytest.mark.parametrize("content", ["[]", "{}", '{"images": 1, "objects": 1}'])
def test_a_damaged_record_is_named(run, content):
    path = record_path(run / "coco_instances_results.json")
    path.write_text(content)
    with pytest.raises(DataError, match=r"data\.json does not say which data .*: remove it"):
        matches_of_run(run, dataset_of_run(run))


def test_data_that_are_not_there_are_explained(run, val, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (run / "config.yaml").write_text(CONFIG.format(val.relative_to(tmp_path)))
    dataset_of_run(run)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    message = (
        rf"json_file=val/val\.json comes from {run}/config.yaml and is relative .* --json-file"
    )
    with pytest.raises(DataError, match=message):
        dataset_of_run(run)


def test_data_that_are_annotated_in_parts_are_refused(run, val, capsys):
    content = json.loads((val / "val.json").read_text())
    for image in content["images"]:
        image |= {"neg_category_ids": [], "not_exhaustive_category_ids": [1]}
    (val / "val.json").write_text(json.dumps(content))
    assert cli.main(["analyze", str(run), "--rounds", "2"]) == 2
    assert "annotated in parts only" in capsys.readouterr().err
    with pytest.raises(DataError, match="annotated in parts only"):
        DatasetEvaluators([AnalysisEvaluator(dataset_of_run(run))]).check_data()
