import textwrap

import pytest

LAZY = "from aligndetr.config import LazyCall as L\n"


@pytest.fixture
def write(tmp_path):
    """Write a file below a fresh folder: write("common/data.py", text) -> path."""

    def _write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        body = textwrap.dedent(text)
        path.write_text(LAZY + body if "L(" in body else body, encoding="utf-8")
        return path

    return _write
