"""Ratios by version."""

import json

import pytest

from benchmarks.history import KEPT, PAGE, cell, page, ratios

OURS = {"name": "ours", "speedup": 15.0}


def rows(**milliseconds):
    return [{"name": name, "median_ms": value} for name, value in milliseconds.items()]


def test_ratios_are_of_the_two_that_ran_in_turns():
    found = {
        "scaling": {
            "pixels": rows(**{"640 px": 100.0, "1280 px": 500.0}),
            "batch": rows(**{"batch 2": 10.0, "batch 16": 64.0}),
        },
        "evaluation": {"rows": [{"name": "pycocotools", "speedup": 1.0}, OURS]},
    }
    assert ratios(found) == {
        # four times the pixels in five times the time; eight times the images in 6.4 times it
        "pixels by time, 1280 against 640 px": pytest.approx(0.8),
        "images by time, batch 16 against 2": pytest.approx(1.25),
        "COCO evaluation": 15.0,
    }


def test_memory_is_how_many_times_smaller():
    memory = {"published ways, fp32": {"peak_mib": 30.0}, "ours, fp32": {"peak_mib": 20.0}}
    found = {"step": {"memory": memory}}
    assert ratios(found) == {"memory of a training process, fp32": 1.5}


@pytest.mark.parametrize(
    "value, before, text",
    [
        (2.0, None, "2.00x"),
        (2.0, 2.1, "2.00x"),  # 0.95 of it
        (1.8, 2.1, "**1.80x**"),  # 0.86 of it
        (2.0, 2.0, "-"),
        (None, 2.0, "-"),
    ],
)
def test_cells(value, before, text):
    assert cell(value, before) == text


def test_a_version_is_compared_with_the_last_that_was_measured():
    name = "COCO evaluation"
    history = {"0.10.0": {name: 8.0}, "0.9.0": {}, "0.2.0": {name: 10.0}}
    assert f"| {name} | 10.00x | - | **8.00x** |" in page(history).splitlines()


def test_the_page_is_what_is_kept():
    assert PAGE.read_text() == page(json.loads(KEPT.read_text())), "python -m benchmarks.history"
