"""The page says what the numbers say."""

import json
from pathlib import Path

import pytest

from studies.plan import Study
from studies.report import describe, write_report

ROOT = Path(__file__).parents[2]
MACHINE = {"cpu": "some", "cores": 2, "threads": 1, "torch": "2", "python": "3"}


def run(arm, seed, ap, recall, seconds=60.0):
    metrics = {"bbox/AP": ap, "bbox/AP75": ap, "alignment/recall@1": recall}
    return {"arm": arm, "seed": seed, "cpu_seconds": seconds, "metrics": metrics}


@pytest.fixture
def page(tmp_path):
    return write(tmp_path, 4e-3)


def write(tmp_path, best):
    tuning = [
        {"loss": "focal", "arm": "dino", "rate": rate, "cpu_seconds": 20.0, "bbox/AP": ap}
        for rate, ap in ((2e-3, 7.0), (4e-3, 8.5), (8e-3, 6.0))
    ]
    runs = [run("dino", seed, 20.0 + seed, 50.0) for seed in range(3)]
    # AP: differences 1, 2, 3 (see test_comparison); recall: -4, -5, -6, deviation 1, half 2.48.
    runs += [run("align-k2", seed, 21.0 + 2 * seed, 46.0 - seed, 120.0) for seed in range(3)]
    results = {"tuning": tuning, "rates": {"focal": best}, "runs": runs}
    (tmp_path / "results.json").write_text(json.dumps({"machine": MACHINE, "results": results}))
    write_report(Study(), tmp_path / "results.json", tmp_path)
    return (tmp_path / "study.md").read_text()


def test_means_and_differences(page):
    assert "| focal, k = 1 (DINO) | 3 | 21.00 ± 1.00 |" in page
    assert "| IA-BCE, k = 2, tau 1.5 (AlignDETR) | 3 | 23.00 ± 2.00 |" in page
    assert "| align-k2 minus dino | +2.0 [-0.5, +4.5] 3/3 |" in page
    assert "-5.0 [-7.5, -2.5] 0/3" in page
    assert "lower: recall@1; not told apart: AP, AP75." in page


def test_the_chosen_rate_and_the_budget(page):
    assert "| focal (dino) | 7.00 | **8.50** | 6.00 |" in page
    assert "edge" not in page
    assert "6 runs of 1.5 minutes" in page  # median of 60 and 120 seconds
    assert "together 10 minutes" in page  # 3 * 60 + 3 * 120 + 3 * 20 seconds


def test_a_rate_at_the_edge_is_named(tmp_path):
    assert "The best rate of focal is at the edge" in write(tmp_path, 8e-3)


def test_the_committed_page_is_what_the_committed_results_say(tmp_path):
    write_report(Study(), ROOT / "studies/results/alignment.json", tmp_path)
    page = (tmp_path / "study.md").read_text()
    assert page == (ROOT / "docs/study.md").read_text()
    assert "## What comes out" in page  # the text was written for these numbers
    assert "Not run" not in page


def test_what_is_missing_is_named(page):
    missing = next(line for line in page.splitlines() if line.startswith("Not run: "))
    named = [describe(arm) for arm in Study().arms if arm.name not in ("dino", "align-k2")]
    assert missing == f"Not run: {'; '.join(named)}."
    assert "How many queries" not in page.split("## Differences")[1]
