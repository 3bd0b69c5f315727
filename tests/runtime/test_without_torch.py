"""The runtime's files import each other, numpy and Pillow: they are a distribution of their own."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOM = Path(__file__).parents[2] / "aligndetr" / "runtime"
FILES = sorted(ROOM.rglob("*.py"))
NEEDED = {"numpy", "PIL"}
OPTIONAL = {"matplotlib", "av", "pandas", "rich", "openvino", "onnxruntime"}  # inside of functions


def imported(nodes, left_out=()):
    """First names of packages, "." for this one, that statements and all in them import."""
    for node in nodes:
        if isinstance(node, left_out):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.ImportFrom):
            yield "." if node.level else node.module.split(".")[0]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        yield from imported(ast.iter_child_nodes(node), left_out)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOM).as_posix())
def test_files_import_what_the_distribution_brings(path):
    tree, known = [ast.parse(path.read_text())], {".", *sys.stdlib_module_names, *NEEDED}
    assert set(imported(tree)) <= known | OPTIONAL
    assert set(imported(tree, left_out=ast.FunctionDef)) <= known


def test_relative_imports_stay_inside():
    for path in FILES:
        depth = len(path.relative_to(ROOM).parts)
        levels = [
            n.level for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)
        ]
        assert max(levels, default=0) <= depth, path


def test_torch_is_not_imported_for_it():
    code = "import sys; from aligndetr.runtime import Detector; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOM.parents[1], capture_output=True, text=True
    )
    assert done.stdout == "False\n", done.stderr
