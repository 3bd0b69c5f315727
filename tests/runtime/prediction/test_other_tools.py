"""The recipes of docs/prediction.md for other tools."""

import re
from pathlib import Path

import numpy as np
import pytest

from aligndetr.predictor import Predictor

PAGE = Path(__file__).parents[3] / "docs" / "prediction.md"


def recipe(word):
    """The block of Python code in which a word stands."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    [found] = [block for block in blocks if word in block]
    return found


@pytest.mark.filterwarnings("ignore:OpenCV")
def test_supervision(tiny_checkpoint, photo):
    sv = pytest.importorskip("supervision")
    predictor = Predictor("aligndetr_tiny", tiny_checkpoint)
    names = {"predictor": predictor, "image": photo}
    exec(recipe("supervision"), names)
    found = predictor.confident(predictor(photo))
    detections = names["detections"]
    assert isinstance(detections, sv.Detections)
    np.testing.assert_array_equal(detections.xyxy, found.pred_boxes.tensor.numpy())
    np.testing.assert_array_equal(detections.confidence, found.scores.numpy())
    assert detections.data["class_name"].tolist() == found.names


def test_fiftyone(tmp_path):
    pytest.importorskip("fiftyone")
    exec(recipe("fiftyone"), {})
