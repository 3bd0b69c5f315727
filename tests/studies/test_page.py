"""Rows that several processes add to one file."""

import json
import subprocess
import sys

from studies import page

ADD = """
import sys, time
from pathlib import Path
from studies import page
def add(rows, row):
    time.sleep(0.3)  # the other process reads meanwhile, if it may
    return [*rows, row]
page.note(Path(sys.argv[1]), {"process": sys.argv[2]}, add)
"""


def test_no_row_is_lost(tmp_path):
    path = tmp_path / "rows.json"
    command = [sys.executable, "-c", ADD, str(path)]
    processes = [subprocess.Popen([*command, str(number)]) for number in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    rows = json.loads(path.read_text())["results"]
    assert sorted(row["process"] for row in rows) == ["0", "1", "2"]


def test_a_folder_is_held_by_one(tmp_path):
    folder = tmp_path / "a" / "run"
    with page.held(folder, wait=False) as mine:
        assert mine
        with page.held(folder, wait=False) as also_mine:
            assert not also_mine
    with page.held(folder, wait=True) as again:
        assert again


def test_a_row_is_known_by_its_head(tmp_path):
    path = tmp_path / "rows.json"
    page.note(path, {"arm": "a", "seed": 0, "AP": 3.0}, lambda rows, row: [*rows, row])
    assert page.has_row(path, arm="a", seed=0)
    assert not page.has_row(path, arm="a", seed=1)
    assert not page.has_row(tmp_path / "none.json", arm="a")
