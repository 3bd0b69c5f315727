"""The shape of the package: who may import whom, how long files and functions may be."""

import ast
import difflib
from itertools import combinations
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "aligndetr"
PAGE = PACKAGE.parent / "docs" / "architecture.md"
FILES = sorted(PACKAGE.rglob("*.py"))
ORDER = (  # a room imports from rooms of the lines above only, not even from those beside it
    ("runtime", "csrc"),
    ("errors",),
    ("files", "distributed", "structures"),
    ("checkpoint_file",),
    ("config", "layers", "data"),
    ("matchers", "evaluation"),
    ("criterions", "visualization"),
    ("modeling", "analysis"),
    ("interop", "explanation", "doctor"),
    ("report",),
    ("engine",),
    ("configs", "initial_config", "predictor", "export"),
    ("hub", "benchmark"),
    ("projects", "commands"),
    ("cli",),
    ("__main__",),
)
PLACE = {room: place for place, rooms in enumerate(ORDER) for room in rooms}


def room(path):
    """The folder or top-level file of the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path, package=PACKAGE):
    """Dotted names, without "aligndetr.", of what a file imports, anywhere in it."""
    here = path.relative_to(package).parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            above = ["aligndetr", *here[: len(here) - node.level]] if node.level else []
            base = [*above, *(node.module.split(".") if node.module else [])]
            names = [[*base, alias.name] for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        else:
            continue
        yield from (".".join(name[1:]) for name in names if name[0] == "aligndetr" and name[1:])


def rooms_used(path):
    """Rooms that a file imports from, besides its own; names of `__init__` are none."""
    return {name.split(".")[0] for name in imports(path)} & PLACE.keys() - {room(path)}


def test_every_room_has_one_place():
    rooms = {room(path) for path in FILES} - {"__init__"}
    assert rooms == PLACE.keys()
    assert len(PLACE) == sum(map(len, ORDER))


@pytest.mark.parametrize("name", PLACE)
def test_imports_go_one_way(name):
    for path in FILES:
        if room(path) == name:
            wrong = {used for used in rooms_used(path) if PLACE[used] >= PLACE[name]}
            assert not wrong, f"{path.relative_to(PACKAGE)} imports {wrong}"


def test_the_package_itself_imports_nothing():
    assert not list(imports(PACKAGE / "__init__.py"))


def test_the_page_states_this_order():
    line = " ← ".join(", ".join(rooms) for rooms in ORDER[:-1])
    assert line in " ".join(PAGE.read_text().split())


def test_imports_of_all_kinds_are_seen(tmp_path):
    (tmp_path / "paper" / "configs").mkdir(parents=True)
    path = tmp_path / "paper" / "configs" / "run.py"
    path.write_text(
        "import os\nimport aligndetr.data.coco as coco\nfrom torch import nn\n"
        "from aligndetr import __version__, errors\nfrom .model import Part\n"
        "def late():\n    from ...layers import mlp\n    from aligndetr.engine.plan import Plan\n"
    )
    assert set(imports(path, tmp_path)) == {
        "data.coco",
        "__version__",
        "errors",
        "paper.configs.model.Part",
        "layers.mlp",
        "engine.plan.Plan",
    }


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
