"""What the tiny configs reach: rows, the page, and runs that are not repeated."""

import json
from pathlib import Path

import pytest

from aligndetr.config.find_file import resolve_config
from aligndetr.projects import __path__ as projects
from studies import tiny, training

SMALL = [
    "train.max_iter=1",
    "dataloader.train.dataset.names=shapes_mini_train",
    "dataloader.test.dataset.names=shapes_mini_val",
]
HEAD = f"# A page\n\nBefore.\n\n{tiny.BEGIN}\n\nold\n\n{tiny.END}\n\nAfter.\n"


def row(name, seed, ap50=50.0, seconds=90.0):
    return {"config": name, "seed": seed, "AP": 25.04, "AP50": ap50, "cpu_seconds": seconds}


def test_the_study_knows_every_tiny_config():
    shipped = {
        path.stem for folder in projects for path in Path(folder).glob("*/configs/*_tiny.py")
    }
    assert shipped == set(tiny.NAMES)
    assert all(resolve_config(name) for name in tiny.NAMES)


def test_a_row_replaces_its_like_and_finds_its_place():
    rows = [row("aligndetr_tiny", 0), row("detr_tiny", 0)]
    rows = tiny.with_row(rows, row("dino_tiny", 1))
    rows = tiny.with_row(rows, row("dino_tiny", 0))
    rows = tiny.with_row(rows, row("detr_tiny", 0, ap50=7.0))
    found = [(r["config"], r["seed"], r["AP50"]) for r in rows]
    assert found == [
        ("aligndetr_tiny", 0, 50.0),
        ("dino_tiny", 0, 50.0),
        ("dino_tiny", 1, 50.0),
        ("detr_tiny", 0, 7.0),
    ]


def test_only_the_marked_part_of_the_page_changes(tmp_path):
    page = tmp_path / "tiny.md"
    page.write_text(HEAD)
    tiny.write_page([row("dino_tiny", 0), row("detr_tiny", 0, seconds=None)], page)
    text = page.read_text()
    assert text.startswith("# A page\n\nBefore.\n")
    assert text.endswith("After.\n")
    assert "old" not in text
    assert "| `dino_tiny` | 0 | 25.0 | 50.0 | 1.5 |" in text  # 90 s
    assert "| `detr_tiny` | 0 | 25.0 | 50.0 | interrupted |" in text


def test_a_run_is_measured_once(tmp_path, monkeypatch):
    page, results = tmp_path / "tiny.md", tmp_path / "tiny.json"
    page.write_text(HEAD)
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path / "data"))
    places = [f"--work={tmp_path / 'work'}", f"--results={results}", f"--page={page}"]
    command = ["detr_tiny", *places, "--set", *SMALL]
    assert tiny.main(command) == 0
    [found] = json.loads(results.read_text())["results"]
    assert (found["config"], found["seed"]) == ("detr_tiny", 0)
    assert found["cpu_seconds"] > 0
    assert "`detr_tiny`" in page.read_text()
    monkeypatch.setattr(training, "train", lambda *args, **more: pytest.fail("trained"))
    assert tiny.main(command) == 0
    assert json.loads(results.read_text())["results"] == [found]


def test_unknown_names_are_refused(tmp_path, capsys):
    assert tiny.main(["dinotiny", f"--results={tmp_path / 'tiny.json'}"]) == 2
    assert "dinotiny: choose among aligndetr_tiny, " in capsys.readouterr().err
