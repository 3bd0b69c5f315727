"""The page says what the rows say."""

import json
from pathlib import Path

import pytest

from studies.plan import STUDIES
from studies.report import write_report

ROOT = Path(__file__).parents[2]
MACHINE = {"cpu": "some", "cores": 2, "threads": 1, "torch": "2", "python": "3"}


def row(arm, seed, ap, recall, seconds=60.0):
    metrics = {"bbox/AP": ap, "bbox/AP75": ap, "alignment/recall@1": recall}
    head = {"arm": arm, "tuning": False, "seed": seed, "rate": 3e-3}
    return {**head, "cpu_seconds": seconds, "metrics": metrics}


@pytest.fixture
def page(tmp_path):
    rows = [
        {"arm": "dino", "tuning": True, "seed": 100, "rate": rate, "cpu_seconds": None,
         "metrics": {"bbox/AP": ap}}
        for rate, ap in ((1.5e-3, 7.0), (3e-3, 8.5), (6e-3, 6.0))
    ]  # fmt: skip
    rows += [row("dino", seed, 20.0 + seed, 50.0) for seed in range(3)]
    # AP and AP75: differences 1, 2, 3; recall: -4, -5, -6, deviation 1 each, half 2.48
    # (test_comparison). p of 5 / 0.57735 = 8.66 is 0.0131, of 3.4641 0.0742; of three, the
    # smallest counts three times (0.039), the second twice (0.148), and the third not less.
    rows += [row("align-k2", seed, 21.0 + 2 * seed, 46.0 - seed, 120.0) for seed in range(3)]
    results = {"machine": MACHINE, "results": rows}
    (tmp_path / "photographs.json").write_text(json.dumps(results))
    write_report(tmp_path, tmp_path)
    return (tmp_path / "study.md").read_text()


def test_means_and_differences(page):
    assert "| focal, k = 1 (DINO) | 3 | 21.00 ± 1.00 |" in page
    assert "| IA-BCE, k = 2 (AlignDETR) | 3 | 23.00 ± 2.00 |" in page
    head = "| align-k2 minus dino "
    assert f"{head}| AP | +2.0 | -0.5 to +4.5 | 3 | 3 | 0.148 |" in page
    assert f"{head}| recall@1 | -5.0 | -7.5 to -2.5 | 3 | 0 | 0.039 |" in page


def test_the_chosen_rate_and_the_time_of_a_run(page):
    assert "| focal, k = 1 (DINO) | 7.0 | **8.5** | 6.0 |" in page
    assert "A run takes 1.5 minutes" in page  # median of 60 and 120 seconds


def test_what_is_missing_is_named(page):
    missing = next(line for line in page.splitlines() if line.startswith("Not run: "))
    named = [arm.words for arm in STUDIES["photographs"].arms]
    assert missing == f"Not run: {'; '.join([named[1], *named[3:]])}."
    assert "What a second query" not in page.split("### Differences")[1]
    assert "## Shapes" not in page


def test_the_committed_page_is_what_the_committed_rows_say(tmp_path):
    write_report(ROOT / "studies/results", tmp_path)
    page = (tmp_path / "study.md").read_text()
    assert page == (ROOT / "docs/study.md").read_text()
    assert "What comes out" in page  # the text was written for these rows
