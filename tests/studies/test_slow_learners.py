"""Our DETR beside Hugging Face's, and what the page says of the first steps."""

import json

import pytest
import torch

from aligndetr.structures import Predictions
from studies import slow_learners


@pytest.fixture
def small(monkeypatch):
    """A drawn set of few images, and one config."""
    plain = slow_learners.config_of

    def config_of(name, overrides=()):
        names = "dataloader.train.dataset.names=shapes_mini_train"
        return plain(name, [*overrides, names])

    monkeypatch.setattr(slow_learners, "config_of", config_of)
    monkeypatch.setattr(slow_learners, "NAMES", ("detr_tiny",))


def test_both_detrs_learn_alike(small, tmp_path):
    pytest.importorskip("transformers")
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n{slow_learners.BEGIN}\n{slow_learners.END}\nAfter.\n")
    results = tmp_path / "rows.json"
    words = ["--steps=6", "--early=1", f"--results={results}", f"--page={page}"]
    assert slow_learners.main(words) == 0
    rows = json.loads(results.read_text())["results"]
    losses = [(row["ours"], row["Hugging Face"]) for row in rows["control"]]
    # their position embedding has 32 bits, in which it differs from ours by 1e-8 or so
    assert all(row["apart"]["Hugging Face"] < 1e-6 for row in rows["control"])
    assert all(0 < row["apart"]["ours, disturbed"] < 1e-5 for row in rows["control"])
    assert losses[0] != losses[-1]
    text = page.read_text()
    assert f"| 6 | {losses[-1][0]:.2f} | {losses[-1][1]:.2f} |" in text
    assert "| `detr_tiny` |" in text
    assert text.startswith("Before.\n")
    assert text.endswith("After.\n")


def test_centers_between_queries_and_images_by_hand():
    """Two images and two queries; only x differs, by 0.2 between queries and 0.4 between images."""
    x = torch.tensor([[0.1, 0.3], [0.5, 0.7]])
    boxes = torch.full((1, 2, 2, 4), 0.5)
    boxes[0, :, :, 0] = x
    logits = torch.tensor([[[2.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])[None]
    found = slow_learners._spread(Predictions(logits, boxes), num_classes=2)
    # deviations of two values are their distance / sqrt(2); y has none
    assert found["between_queries"] == pytest.approx(0.2 / 2**0.5 / 2)
    assert found["between_images"] == pytest.approx(0.4 / 2**0.5 / 2)
    assert found["highest_score"] == pytest.approx((1 / (1 + 2.718281828**-2) + 0.5) / 2)
