"""The whole: evaluator, command, thresholds into the checkpoint; empty and odd datasets."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from aligndetr.analysis import AnalysisEvaluator, analyze, plain
from aligndetr.analysis.text import format_analysis
from aligndetr.cli import main
from aligndetr.data.formats import Source
from aligndetr.engine.operating_point import read_operating_point
from aligndetr.evaluation.alignment import Alignment, alignment_metrics, image_alignment
from aligndetr.structures import Boxes, Instances


@pytest.fixture
def files(problem, tmp_path):
    """Ground truth and predictions as files."""
    truth, detections = problem
    sides = {"file_name": "x.png", "height": 220, "width": 220}
    truth["images"] = [{**image, **sides} for image in truth["images"]]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "predictions.json").write_text(json.dumps(detections))
    return SimpleNamespace(folder=tmp_path, truth=truth, detections=detections)


def command(files, *more):
    words = [
        str(files.folder / "predictions.json"),
        "--json-file",
        str(files.folder / "truth.json"),
    ]
    return main(["analyze", *words, "--rounds", "20", "--output", str(files.folder / "out"), *more])


def by_name(analysis):
    names = [curve.name for curve in analysis.curves]
    return dict(zip(names, analysis.thresholds, strict=True))


def test_the_command_prints_and_writes(files, capsys):
    assert command(files) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines()[2:-1])) <= 80
    written = json.loads((files.folder / "out" / "analysis.json").read_text())
    expected = analyze(files.truth, files.detections, rounds=1)
    assert written["metrics"]["AP"] == pytest.approx(expected.metrics["AP"], rel=1e-12)
    assert f"{expected.metrics['AP']:.1f}" in printed
    thresholds = {entry["name"]: entry["f1"]["threshold"] for entry in written["classes"]}
    assert thresholds == by_name(expected)
    assert [c["name"] for c in written["classes"]] == ["b", "d", "a", "c"]  # by rising id
    assert written["classes"][1]["AP"] is None  # the class without objects
    counts = np.array(written["confusion"]["counts"])
    assert counts.shape == (5, 5)
    # every object that is no crowd is in one row
    real = sum(not entry["iscrowd"] for entry in files.truth["annotations"])
    assert counts[:-1].sum() == pytest.approx(real, abs=0)
    assert (files.folder / "out" / "analysis.png").read_bytes()[:4] == b"\x89PNG"


def test_thresholds_travel_with_the_weights(files, capsys):
    path = files.folder / "model.pth"
    torch.save({"model": {"weight": torch.ones(2)}, "iteration": 3}, path)
    before = path.read_bytes()
    assert command(files, "--checkpoint", str(path), "--calibrator", "isotonic") == 0
    assert path.read_bytes() == before
    copy = files.folder / "out" / "model_operating_point.pth"
    assert str(copy) in capsys.readouterr().out
    content = torch.load(copy, weights_only=True)
    point = read_operating_point(content, "model", copy)
    expected = by_name(analyze(files.truth, files.detections, rounds=1))
    assert point.thresholds == tuple(expected[name] for name in "bdac")  # as a dataset orders them
    assert point.data == {"dataset": "truth", "images": 20, "best": "F1, IoU 0.5"}
    assert len(point.calibrator["knots"]) == 4


def test_other_datasets_and_missing_ones_are_refused(files, capsys):
    other = dict(files.truth, images=files.truth["images"][:3], annotations=[])
    (files.folder / "truth.json").write_text(json.dumps(other))
    assert command(files) == 2
    assert "is about another dataset" in capsys.readouterr().err
    assert main(["analyze", str(files.folder / "predictions.json")]) == 2
    assert "name the ground truth by --json-file" in capsys.readouterr().err
    assert not (files.folder / "out").exists()


@pytest.mark.parametrize("rounds", ["0", "1", "-3"])
def test_an_interval_takes_draws(files, capsys, rounds):
    assert command(files, "--rounds", rounds) == 2
    assert f"--rounds {rounds}: an interval takes two draws or more" in capsys.readouterr().err


def test_an_output_that_is_a_file_is_refused_in_a_sentence(files, capsys):
    assert command(files, "--output", str(files.folder / "truth.json")) == 2
    error = capsys.readouterr().err
    assert "truth.json" in error
    assert "choose another output folder" in error
    assert json.loads((files.folder / "truth.json").read_text()) == files.truth


def test_images_without_detections_are_said(files, capsys):
    assert command(files) == 0
    assert "have no detection" not in capsys.readouterr().out
    kept = [entry for entry in files.detections if entry["image_id"] not in (100, 104)]
    (files.folder / "predictions.json").write_text(json.dumps(kept))
    assert command(files) == 0
    printed = capsys.readouterr().out
    assert "note: 2 of 20 images have no detection: were all of them evaluated?" in printed


def test_the_evaluator_finds_the_same(files):
    """Fed image by image with instances, against the analysis of the file."""
    ids = [category["id"] for category in files.truth["categories"]]
    names = [category["name"] for category in files.truth["categories"]]
    dataset = Dataset(files.folder / "truth.json", files.truth, names, ids)
    evaluator = AnalysisEvaluator(dataset)
    for image in files.truth["images"]:
        found = [d for d in files.detections if d["image_id"] == image["id"]]
        boxes = torch.tensor([d["bbox"] for d in found]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        instances = Instances(
            (220, 220),
            pred_boxes=Boxes(boxes),
            scores=torch.tensor([d["score"] for d in found]),
            pred_classes=torch.tensor([ids.index(d["category_id"]) for d in found]).long(),
        )
        evaluator.process([{"image_id": image["id"]}], [{"instances": instances}])
    figures = evaluator.evaluate()["analysis"]
    expected = analyze(files.truth, files.detections, rounds=1)
    known = [best.value for best in expected.f1 if not math.isnan(best.value)]
    # boxes in float32 move no match here
    assert figures["F1"] == pytest.approx(100 * np.mean(known), rel=1e-4)
    assert figures["Miss"] == pytest.approx(expected.errors.cost["Miss"], rel=1e-4, abs=1e-6)
    assert 0 < figures["oLRP"] < 100


class Dataset:
    """What evaluators read of a `DetectionDataset`."""

    def __init__(self, json_file, truth, class_names, category_ids):
        self.name, self.source = "toy", Source(json_file, json_file.parent)
        self.class_names, self.category_ids = class_names, category_ids
        self.records = [{"image_id": image["id"]} for image in truth["images"]]

    def __len__(self):
        return len(self.records)

    def __getitem__(self, index):
        return self.records[index]


@pytest.mark.parametrize("what", ["no detections", "no objects", "neither"])
def test_empty_datasets_have_no_numbers_and_no_errors(
    what, make_truth, make_object, make_detection
):
    objects = [make_object(1, 1, [0, 0, 9, 9])] if what == "no detections" else []
    found = [make_detection(1, 1, [0, 0, 9, 9], 0.5)] if what == "no objects" else []
    analysis = analyze(make_truth(objects, [1, 2], {1: "a"}), found, rounds=3)
    expected = 0.0 if objects else None
    assert plain(analysis)["metrics"]["AP"] == expected
    text = format_analysis(analysis, "empty")
    assert "AP" in text
    assert "nan" not in text


def test_alignment_is_that_of_each_image(problem):
    truth, detections = problem
    found = alignment_metrics(analyze(truth, detections, rounds=1).alignment)
    parts = []
    for image in truth["images"]:
        seen, real = (
            [entry for entry in entries if entry["image_id"] == image["id"]]
            for entries in (detections, truth["annotations"])
        )
        seen = sorted(seen, key=lambda entry: -entry["score"])
        counted = [
            e
            for label in {9, 2, 30, 5}
            for e in [s for s in seen if s["category_id"] == label][:100]
        ]
        real = [entry for entry in real if not entry["iscrowd"]]
        parts.append(
            image_alignment(
                boxes_of(counted),
                np.array([entry["score"] for entry in counted]),
                np.array([entry["category_id"] for entry in counted]),
                boxes_of(real),
                np.array([entry["category_id"] for entry in real]),
            )
        )
    assert found == pytest.approx(alignment_metrics(Alignment.cat(parts)), rel=1e-9)


def boxes_of(entries):
    boxes = np.array([entry["bbox"] for entry in entries], dtype=float).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes
