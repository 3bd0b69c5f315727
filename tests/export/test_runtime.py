"""What was exported is used without torch, and finds what `Predictor` finds."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aligndetr.cli import main
from aligndetr.engine.checkpoint import Checkpointer
from aligndetr.engine.operating_point import OperatingPoint, write_operating_point
from aligndetr.export.exporting import Source, export
from aligndetr.predictor import Predictor
from aligndetr.runtime import Detector
from aligndetr.runtime.calibrator import Calibrator
from tests.documentation.blocks import blocks_of
from tests.export.conftest import TWO_LEVELS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "runtime.md"
CLASSES = ["red", "green", "blue"]
THRESHOLDS = (0.6, 0.7, 0.8)
RESIZED = "dataloader.image_size=72"  # 48 x 64 becomes 72 x 96, which is `FIXED`: no padding


@pytest.fixture(scope="session")
def operated(source, small_config, tmp_path_factory):
    """A config, and a checkpoint with an operating point of the model that `source` is."""
    folder = tmp_path_factory.mktemp("operated")
    Checkpointer(source.model, folder, extra={"class_names": CLASSES}).save("plain", iteration=0)
    curve = np.array([0.0, 0.5, 1.0])
    calibrator = Calibrator(tuple((curve, curve**power) for power in (1, 2, 3)))
    point = OperatingPoint(THRESHOLDS, calibrator.plain(), {"dataset": "kitchen"})
    write_operating_point(folder / "plain.pth", folder / "operated.pth", "model", point)
    return small_config("aligndetr_tiny", *TWO_LEVELS, RESIZED), folder / "operated.pth"


@pytest.fixture
def exported(operated, fixed_wish, converted_once, tmp_path):
    """Exports the checkpoint as a file of a kind; its path."""

    def make(kind, proof=None):
        pytest.importorskip({"onnx": "onnxruntime"}.get(kind, kind))
        return export(Source(*operated), fixed_wish(kind), tmp_path / kind, proof).path

    return make


def rows(boxes, scores, classes):
    return np.column_stack([boxes, scores, classes])


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
@pytest.mark.parametrize("calibrated", [False, True])
def test_a_file_finds_what_its_checkpoint_finds(kind, calibrated, operated, exported, photo):
    predictor = Predictor(*operated, calibrated=calibrated)
    expected = predictor.confident(predictor(photo))
    detector = Detector(exported(kind), calibrated=calibrated)
    found = detector(photo).found
    assert set(expected.pred_classes.tolist()) == {0, 1, 2}  # each class' own threshold counts
    everything = predictor(photo)
    counted = sum(
        (everything.scores[everything.pred_classes == label] >= lowest).sum().item()
        for label, lowest in enumerate(THRESHOLDS)
    )
    assert counted == len(expected) < len(everything)
    order = np.argsort(-expected.scores.numpy(), kind="stable")
    np.testing.assert_allclose(
        rows(found.boxes, found.scores, found.classes),
        rows(expected.pred_boxes.tensor, expected.scores, expected.pred_classes)[order],
        atol=1e-3,
    )
    assert detector.class_names == predictor.class_names == CLASSES
    assert detector.about_thresholds() == predictor.about_thresholds()


def test_the_commands_write_the_same(operated, exported, few, photo, tmp_path, capsys):
    (tmp_path / "images").mkdir()
    Image.fromarray(photo).save(tmp_path / "images" / "a.png")
    Image.fromarray(photo[::-1].copy()).save(tmp_path / "images" / "b.png")
    path, images = exported("onnx", few), f"{tmp_path}/images"
    written = []
    for number, words in enumerate(([path, images], [images, "--checkpoint", path])):
        folder = tmp_path / f"out{number}"
        assert main(["predict", *map(str, words), "--output", str(folder), "--calibrated"]) == 0
        assert "thresholds: red 0.60, green 0.70, blue 0.80 (fitted on kitchen)" in (
            capsys.readouterr().out
        )
        written.append(json.loads((folder / "predictions.json").read_text()))
        assert sorted(each.name for each in folder.iterdir()) == [
            "a.png",
            "b.png",
            "predictions.json",
        ]
    assert written[0] == written[1]
    predictor = Predictor(*operated, calibrated=True)
    expected = [round(x, 2) for each in predictor.stream(images) for x in each.found.scores]
    found = [round(entry["score"], 2) for entry in written[0]["annotations"]]
    np.testing.assert_allclose(found, expected, atol=0.011)
    assert [entry["name"] for entry in written[0]["categories"]] == CLASSES


@pytest.mark.parametrize(
    "words, message",
    [
        (["--flip", "--weights", "ema"], "--weights, --flip can only be had with a checkpoint"),
        (["train.device=cpu"], "train.device=cpu can only be had"),
        (["--precision", "bf16"], "is fixed since it was exported"),
    ],
)
def test_what_a_file_cannot_do_is_refused(words, message, tmp_path, capsys):
    assert main(["predict", "model.onnx", str(tmp_path), *words]) == 2
    assert message in capsys.readouterr().err


def test_no_model_and_a_provider_of_none(tmp_path, capsys):
    assert main(["predict", str(tmp_path)]) == 2
    assert "no model: give --checkpoint model.pth, or model.onnx" in capsys.readouterr().err
    words = ["predict", str(tmp_path), "--checkpoint", "a.pth", "--provider", "CPU"]
    assert main(words) == 2
    assert "a checkpoint computes on train.device" in capsys.readouterr().err


SCRIPT = """
import importlib.util, sys
import numpy as np
from aligndetr_runtime import Detector

absent = ("torch", "aligndetr", "matplotlib", "rich", "scipy", "onnx")
assert not [name for name in absent if importlib.util.find_spec(name)]
found = Detector(sys.argv[1])(sys.argv[2]).found
np.savetxt(sys.argv[3], np.column_stack([found.boxes, found.scores, found.classes]))
"""


@pytest.fixture(scope="session")
def alone(tmp_path_factory):
    """`bin` of an environment in which the runtime's distribution was installed, and no other."""
    folder = tmp_path_factory.mktemp("alone")
    package = folder / "aligndetr"  # a copy: a build leaves things behind
    hidden = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT / "aligndetr" / "runtime", package / "runtime", ignore=hidden)
    shutil.copy(ROOT / "aligndetr" / "__init__.py", package)
    shutil.copytree(ROOT / "runtime", folder / "runtime", ignore=hidden)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    pip = [folder / "venv" / "bin" / "pip", "install", "--quiet", f"{folder}/runtime[onnx]"]
    done = subprocess.run(pip, env=clean_environment(), capture_output=True, text=True)
    if "Failed to establish a new connection" in done.stderr + done.stdout:
        pytest.skip("no connection to a package index")
    assert done.returncode == 0, done.stderr
    return folder / "venv" / "bin"


def clean_environment():
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


@pytest.mark.skipif(os.name == "nt", reason="environments have another folder there")
def test_its_distribution_alone_finds_the_same(alone, exported, few, photo, tmp_path):
    path, picture = exported("onnx", few), tmp_path / "a.png"
    Image.fromarray(photo).save(picture)
    expected = Detector(path)(photo).found
    run = dict(cwd=tmp_path, env=clean_environment(), capture_output=True, text=True)
    done = subprocess.run(
        [alone / "python", "-I", "-W", "error", "-c", SCRIPT, path, picture, "rows.txt"], **run
    )
    assert (done.returncode, done.stderr) == (0, "")
    np.testing.assert_allclose(
        np.loadtxt(tmp_path / "rows.txt", ndmin=2),
        rows(expected.boxes, expected.scores, expected.classes),
        atol=1e-4,
    )
    done = subprocess.run([alone / "aligndetr-predict", path, picture], **run)
    assert done.returncode == 0, done.stderr
    assert f": {len(expected)} objects -> predictions/a.png" in done.stdout
    assert (tmp_path / "predictions" / "a.png").is_file()
    (tmp_path / "images").mkdir()
    shutil.copy(picture, tmp_path / "images")
    [recipe] = [b.text for b in blocks_of(PAGE) if b.text.startswith("from aligndetr_runtime")]
    shutil.copy(path, tmp_path)  # as model.onnx
    done = subprocess.run([alone / "python", "-c", recipe], **run)
    assert done.stdout.startswith("Prediction(images/a.png, 48x64: "), done.stderr
    assert done.stdout.count("'box': ") == len(expected)
    (tmp_path / "a.xml").write_text("")
    done = subprocess.run([alone / "aligndetr-predict", "a.xml", picture], **run)
    assert done.returncode == 2
    assert "pip install 'aligndetr-runtime[openvino]'" in done.stderr
    assert "Traceback" not in done.stderr
