"""The notebooks of examples/ run from top to bottom, with small parameters."""

import ast
import json
import sys
import warnings

import pytest

from tests.documentation.blocks import ROOT

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
SMALL = {"own_data": "iterations, num_images = 1, 8", "add_a_loss": "iterations = 1"}


def cells_of(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def is_parameters(cell):
    return "parameters" in cell["metadata"].get("tags", [])


def run_cell(text, namespace):
    """What a notebook does with a cell: the last expression is shown as a picture, if it can be."""
    body = ast.parse(text).body
    shown = ast.Expression(body.pop().value) if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "<cell>", "exec"), namespace)
    if shown is None:
        return None
    value = eval(compile(shown, "<cell>", "eval"), namespace)
    draw = getattr(value, "_repr_png_", None)
    return draw() if draw else repr(value)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DETECTRON2_DATASETS", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    namespace, modules = {"__name__": "__main__"}, set(sys.modules)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for cell in cells_of(path):
            if cell["cell_type"] == "code":
                run_cell("".join(cell["source"]), namespace)
                if is_parameters(cell):
                    exec(SMALL.get(path.stem, ""), namespace)
    for name in {"my_losses"} & (set(sys.modules) - modules):
        del sys.modules[name]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    code = [cell for cell in cells_of(path) if cell["cell_type"] == "code"]
    assert [cell["outputs"] for cell in code if cell["outputs"]] == []
    assert {cell["execution_count"] for cell in code} == {None}
    assert sum(is_parameters(cell) for cell in code) == 1


def test_what_a_cell_shows_is_made():
    assert run_cell("a = 1\na + 1", {}) == "2"
    assert run_cell("a = 1", {}) is None
    with pytest.raises(ZeroDivisionError):
        run_cell("a = 1\na / 0", {})
