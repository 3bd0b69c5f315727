"""docs/configs.md; its blocks are executed by tests/documentation."""

from pathlib import Path

TEXT = (Path(__file__).parents[2] / "docs/configs.md").read_text(encoding="utf-8")


def test_it_is_short():
    assert len(TEXT.splitlines()) <= 150
