"""Reading and plotting metrics."""

import json

import numpy as np
import pytest
from PIL import Image

from aligndetr.visualization import plot_metrics
from aligndetr.visualization.curves import running_median


def write(path, entries, tail=""):
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries) + tail)
    return path


@pytest.mark.parametrize(
    "entries",
    [
        [{"iteration": 0, "lr": 0.1}],
        [{"iteration": i, "total_loss": 5.0 / (i + 1), "loss_class": 0.0} for i in range(40)],
        [{"iteration": 0, "total_loss": float("nan")}, {"iteration": 1, "total_loss": 2.0}],
        [{"iteration": 9, "bbox/AP": 70.0, "bbox/AP50": 90.0}],
    ],
    ids=["only lr", "zero loss on a log scale", "nan", "only AP"],
)
def test_plot_of_incomplete_runs(tmp_path, entries):
    plot_metrics(write(tmp_path / "metrics.json", entries), tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape[0] > 600
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20


def test_running_median():
    # windows of 5 around each value, cut at the ends: [1,9,2], [1,9,2,3], [1,9,2,3,4], ...
    values = np.array([1.0, 9.0, 2.0, 3.0, 4.0])
    assert running_median(values).tolist() == [2.0, 2.5, 3.0, 3.5, 3.0]
