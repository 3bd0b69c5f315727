"""Results as text."""

import math

import pytest

from aligndetr.evaluation import copypaste_lines, results_table


def test_classes_are_read_downwards_without_empty_columns():
    metrics = {"AP": 12.34, **{f"AP-{name}": 10.0 * index for index, name in enumerate("abcdef")}}
    lines = [line.split() for line in results_table(metrics, "six").splitlines()]
    assert lines[0] == ["six"]
    assert ["12.3"] in lines
    assert lines[-2:] == [
        ["a", "0.0", "c", "20.0", "e", "40.0"],
        ["b", "10.0", "d", "30.0", "f", "50.0"],
    ]


@pytest.mark.parametrize("length", [3, 20, 33, 34, 35, 200])
def test_long_names_fit_80_columns(length):
    metrics = {"AP": 100.0, **{f"AP-{'n' * length}{index}": 100.0 for index in range(9)}}
    lines = results_table(metrics, "long").splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.count("100.0") for line in lines) == 10


def test_nan_and_markup_are_printed_as_they_are():
    table = results_table({"AP": math.nan, "AP-[red]cat": 1.0}, "[title]")
    assert "[title]" in table
    assert "[red]cat" in table
    assert "-" in [line.strip() for line in table.splitlines()]


def test_copypaste_is_detectron2s():
    results = {"bbox": {"AP": 12.34567, "AP50": math.nan, "AP-cat": 1.0}, "other": {"x": 1.0}}
    assert copypaste_lines(results) == [
        "copypaste: Task: bbox",
        "copypaste: AP,AP50",
        "copypaste: 12.3457,nan",
        "copypaste: Task: other",
        "copypaste: x",
        "copypaste: 1.0000",
    ]
