"""What stands around a detector needs no torch: a runtime without it shares these files."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "aligndetr"
FREE = {"numpy", "PIL", "matplotlib", "av", "pandas"}  # matplotlib: for its font; the last: lazily


def imported(path):
    """Modules that a file imports by name, anywhere in it, but not for its annotations."""
    tree = ast.parse(path.read_text())
    typing = [
        n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)
    ]
    hidden = {id(n) for block in typing for n in ast.walk(block)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in hidden:
            yield node.module
        elif isinstance(node, ast.Import) and id(node) not in hidden:
            yield from (alias.name for alias in node.names)


def reached(path, seen):
    """Names of foreign packages that a file needs, over files of ours."""
    seen.add(path)
    for name in imported(path):
        ours = PACKAGE.parent.joinpath(*name.split(".")).with_suffix(".py")
        if not name.startswith("aligndetr"):
            yield name.split(".")[0]
        elif ours.is_file() and ours not in seen:
            yield from reached(ours, seen)


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "prediction").rglob("*.py")), ids=lambda path: path.stem
)
def test_files_need_neither_torch_nor_more(path):
    foreign = set(reached(path, set())) - set(sys.stdlib_module_names)
    assert foreign <= FREE


def test_torch_is_seen_where_it_is():
    assert "torch" in set(reached(PACKAGE / "predictor.py", set()))
