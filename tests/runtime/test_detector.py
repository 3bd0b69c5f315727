"""Exported files, used: a runtime that says what it is told to stands for the real ones."""

import sys

import numpy as np
import pytest

from aligndetr.runtime import Detector
from aligndetr.runtime.errors import ExportError, UserError
from aligndetr.runtime.exported.opened import ExportedFile, open_file
from aligndetr.runtime.packages import DISTRIBUTION
from aligndetr.runtime.prediction.suppression import Suppression

METADATA = {
    "precision": "fp32",
    "num_classes": 2,
    "classes": ["cat", "dog"],
    "channel_order": "RGB",
    "resize": {"rule": "none"},
    "inputs": {"images": {"dtype": "uint8"}},
    "canvas": None,
    "verification": {"status": "verified"},
    "default_threshold": 0.5,
}
ROWS = [  # x0, y0, x1, y1, score, class
    (0, 0, 4, 4, 0.9, 0),
    (3, 3, 3, 9, 0.8, 1),  # without an area: no detection
    (0, 0, 4, 3, 0.6, 0),
    (1, 1, 5, 5, 0.45, 1),
]


class Told(ExportedFile):
    runtime, provider = "told 1.0", "nobody"

    def __init__(self, **metadata):
        self.metadata = {**METADATA, **metadata}
        self.batches = []

    def run(self, feeds):
        """The same for each image, moved right by the value of its first pixel."""
        self.batches.append(feeds["images"].shape)
        rows = np.array([ROWS] * len(feeds["images"]), np.float32)
        boxes = rows[:, :, :4].copy()
        boxes[:, :, ::2] += feeds["images"][:, 0, 0, 0].astype(np.float32)[:, None, None]
        return {"boxes": boxes, "scores": rows[:, :, 4], "classes": rows[:, :, 5].astype(np.int64)}


def image(value=0, size=(8, 10)):
    return np.full((*size, 3), value, np.uint8)


def found(prediction):
    columns = prediction.found.boxes[:, 0], prediction.found.scores, prediction.found.classes
    return [tuple(np.round(row, 4).tolist()) for row in zip(*columns, strict=True)]


def test_what_counts_by_default():
    prediction = Detector(Told())(image(2))
    assert found(prediction) == [(2, 0.9, 0), (2, 0.6, 0)]
    assert prediction.names == ["cat", "cat"]
    assert prediction.found.size == (8, 10)
    assert Detector(Told()).about_thresholds() is None


def test_thresholds_of_each_class_come_with_the_file():
    file = Told(thresholds=[0.7, 0.4], fitted_on={"dataset": "kitchen"})
    detector = Detector(file)
    assert found(detector(image())) == [(0, 0.9, 0), (1, 0.45, 1)]
    assert detector.about_thresholds() == "cat 0.70, dog 0.40 (fitted on kitchen)"
    assert len(detector(image(), threshold=0)) == 3


def test_scores_are_calibrated_after_the_thresholds():
    knots = [[[0.0, 1.0], [0.0, 0.5]], [[0.0, 1.0], [0.2, 0.2]]]  # half of it; always 0.2
    file = Told(thresholds=[0.7, 0.4], calibrator={"kind": "piecewise linear", "knots": knots})
    assert found(Detector(file, calibrated=True)(image())) == [(0, 0.45, 0), (1, 0.2, 1)]
    assert found(Detector(file)(image())) == [(0, 0.9, 0), (1, 0.45, 1)]


def test_options_are_those_of_predictions():
    detector = Detector(Told())
    assert found(detector(image(), classes=["dog"], threshold=0.4)) == [(1, 0.45, 1)]
    assert len(detector(image(), suppress=Suppression(0.7))) == 1  # IoU 12 / 16 = 0.75


def test_one_image_or_many():
    file = Told()
    detector = Detector(file)
    images = [image(1), image(2, (5, 5)), image(3)]
    results = list(detector.stream(images, batch_size=2))
    assert [found(each)[0][0] for each in results] == [1, 2, 3]
    assert sorted(file.batches) == [(1, 3, 5, 5), (2, 3, 8, 10)]
    assert [len(each) for each in detector(images)] == [2, 2, 2]


def test_a_fixed_batch_is_filled_as_often_as_it_takes():
    file = Told(canvas={"height": 8, "width": 10, "batch": 2})
    results = list(Detector(file).stream([image(n) for n in (4, 5, 6)], batch_size=3))
    assert file.batches == [(2, 3, 8, 10)] * 2
    assert [found(each)[0][0] for each in results] == [4, 5, 6]


@pytest.mark.parametrize(
    "metadata, message",
    [
        ({}, "holds no calibrator: export a checkpoint"),
        ({"calibrator": {"kind": "spline"}}, "calibrator in the file is damaged"),
        ({"calibrator": "none"}, "calibrator in the file is damaged"),
        (
            {"calibrator": {"kind": "piecewise linear", "knots": [[[0], [1]]]}},
            "calibrator of 1 classes, but finds 2",
        ),
        ({"thresholds": [0.1, 0.2, 0.3]}, "thresholds of 3 classes, but finds 2"),
    ],
)
def test_metadata_that_does_not_fit(metadata, message):
    with pytest.raises(ExportError, match=message):
        Detector(Told(**metadata), calibrated=True)


def test_an_unverified_file_says_so(caplog):
    Detector(Told(verification={"status": "rejected"}))
    assert "is rejected: it may find something else" in caplog.text
    caplog.clear()
    Detector(Told())
    assert not caplog.text


def test_urls_are_refused():
    with pytest.raises(UserError, match="download it and give the local file"):
        Detector(Told())("https://example.org/a.png")


@pytest.mark.parametrize("name, package", [("a.onnx", "onnxruntime"), ("a.xml", "openvino")])
def test_the_extra_of_a_missing_runtime_is_named(name, package, tmp_path, monkeypatch):
    (tmp_path / name).write_bytes(b"")
    monkeypatch.setitem(sys.modules, package, None)
    extra = {"onnxruntime": "onnx"}.get(package, package)
    with pytest.raises(ExportError, match=rf"{package} cannot.*'{DISTRIBUTION}\[{extra}\]'"):
        Detector(tmp_path / name)
    assert DISTRIBUTION == "aligndetr"  # here; the wheel of the runtime alone names itself


@pytest.mark.parametrize("name, package", [("a.onnx", "onnxruntime"), ("a.xml", "openvino")])
def test_damaged_files(name, package, tmp_path):
    pytest.importorskip(package)
    (tmp_path / name).write_bytes(b"no model at all")
    with pytest.raises(ExportError, match=rf"^{package} cannot open .*{name}: "):
        open_file(tmp_path / name)


def test_what_is_no_exported_file(tmp_path):
    with pytest.raises(ExportError, match=r"a\.onnx does not exist"):
        Detector(tmp_path / "a.onnx")
    (tmp_path / "a.pt2").write_bytes(b"")
    with pytest.raises(ExportError, match=r"is no exported file: known are \.onnx, \.xml"):
        Detector(tmp_path / "a.pt2")
