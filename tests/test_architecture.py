"""The shape of the package: who may import whom, how long files and functions may be."""

import ast
import difflib
from itertools import combinations
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "aligndetr"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "projects" not in path.parts)
LAYERS = {  # folder -> what it may import, besides itself and the leaves below
    "structures": set(),
    "layers": set(),
    "matchers": {"structures", "layers"},
    "criterions": {"structures", "layers", "matchers"},
    "modeling": {"structures", "layers", "matchers", "criterions"},
    "config": set(),
    "data": {"structures", "layers"},
    "visualization": {"structures", "layers", "data", "evaluation"},
    "evaluation": {"structures", "layers", "data"},
    "inspection": {
        "structures",
        "layers",
        "matchers",
        "criterions",
        "modeling",
        "evaluation",
        "visualization",
    },
    "walk": {"structures", "config", "data"},
}
LEAVES = {"distributed", "errors", "files", "__init__"}


def imports(path):
    """Packages of aligndetr that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aligndetr."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.ImportFrom) and node.module == "aligndetr":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            names = (alias.name.split(".") for alias in node.names)
            yield from (name[1] for name in names if name[0] == "aligndetr" and len(name) > 1)


@pytest.mark.parametrize("folder", LAYERS)
def test_dependencies_go_one_way(folder):
    allowed = LAYERS[folder] | LEAVES | {folder}
    for path in (PACKAGE / folder).rglob("*.py"):
        wrong = set(imports(path)) - allowed
        assert not wrong, f"{path.relative_to(PACKAGE)} imports {wrong}"


def test_the_core_knows_neither_projects_nor_interop():
    for path in FILES:
        if path.relative_to(PACKAGE).parts[0] in {"interop", "engine", "commands", "cli.py"}:
            continue
        wrong = set(imports(path)) & {"projects", "interop", "commands"}
        assert not wrong, f"{path.relative_to(PACKAGE)} imports {wrong}"


def test_files_and_functions_are_short():
    for path in FILES:
        text = path.read_text()
        assert len(text.splitlines()) <= 350, f"{path} is long"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = node.end_lineno - node.lineno + 1
                assert size <= 70, f"{path}:{node.lineno} {node.name} has {size} lines"


def code_lines(path):
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith(("#", "import ", "from "))]


def test_no_two_files_are_copies_of_each_other():
    sources = {path: code_lines(path) for path in FILES}
    sources = {path: lines for path, lines in sources.items() if len(lines) >= 30}
    for first, second in combinations(sources, 2):
        matcher = difflib.SequenceMatcher(None, sources[first], sources[second], autojunk=False)
        if matcher.real_quick_ratio() > 0.6 and matcher.quick_ratio() > 0.6:
            assert matcher.ratio() <= 0.6, f"{first} and {second} are {matcher.ratio():.0%} alike"
