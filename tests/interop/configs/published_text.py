"""What published config files say, read off their text: literal values by dotted key.

Nothing is run and nothing of ours is used, so that loaded configs can be compared with it.

    python -m tests.interop.configs.published_text OWNER/NAME=CHECKOUT ...

writes the numbers that all experiments state which load into published_numbers.json.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TABLE = Path(__file__).with_name("published_numbers.json")
SECTIONS = ("model", "dataloader", "optimizer", "lr_multiplier", "train")
CALL = "()"  # in place of what a call makes: the values below an older one are gone


class Text:
    """One file.

    Attributes:
        imports: names of sections -> file in the repository, and the name there.
        values: dotted keys -> literals in the order of the file; CALL for something that is
            called, whose arguments follow; {"same as": key} for a copy.
        computed: keys that literals do not tell.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self.imports: dict[str, list[str]] = {}
        self.values: dict[str, object] = {}
        self.computed: list[str] = []
        self._folder, self._root = path.parent, root
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            self._read(statement)

    def _read(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.ImportFrom) and statement.level:
            folder = self._folder
            for _ in range(statement.level - 1):
                folder = folder.parent
            file = folder.joinpath(*statement.module.split(".")).with_suffix(".py")
            for alias in statement.names:
                place = file.relative_to(self._root).as_posix()
                self.imports[alias.asname or alias.name] = [place, alias.name]
        elif isinstance(statement, ast.Assign):
            self._assign(ast.unparse(statement.targets[0]), statement.value)
        elif not isinstance(
            statement, ast.Import | ast.ImportFrom | ast.FunctionDef
        ) and not _is_docstring(statement):
            changed = (ast.Assign, ast.AugAssign)
            for node in ast.walk(statement):
                if isinstance(node, changed):
                    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                    self._compute(ast.unparse(target))
                elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                    self._compute(ast.unparse(node.value.func))

    def _compute(self, key: str) -> None:
        if key not in self.computed:
            self.computed.append(key)

    def _assign(self, key: str, value: ast.expr) -> None:
        if _is_shared_config(value):
            self.imports[key] = [f"configs/{value.value.args[0].value}", value.attr]
        else:
            self._flatten(key, value)

    def _flatten(self, key: str, value: ast.expr) -> None:
        try:
            literal = ast.literal_eval(value)
        except ValueError:
            literal = self
        if isinstance(value, ast.Dict):
            self.values[key] = CALL
            for name, item in zip(value.keys, value.values, strict=True):
                self._flatten(f"{key}.{ast.literal_eval(name)}", item)
        elif literal is not self:
            self.values[key] = list(literal) if isinstance(literal, tuple) else literal
        elif isinstance(value, ast.Call):
            self._call(key, value)
        elif isinstance(value, ast.List):
            self.values[key] = CALL
            for index, item in enumerate(value.elts):
                self._flatten(f"{key}.{index}", item)
        elif isinstance(value, ast.Attribute):
            self.values[key] = {"same as": ast.unparse(value)}
        else:
            self._compute(key)

    def _call(self, key: str, call: ast.Call) -> None:
        self.values[key] = CALL
        for index, item in enumerate(call.args):
            self._flatten(f"{key}.argument{index}", item)
        for keyword in call.keywords:
            self._flatten(f"{key}.{keyword.arg}", keyword.value)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_shared_config(value: ast.expr) -> bool:
    """`get_config("common/train.py").train`."""
    called = value.value if isinstance(value, ast.Attribute) else None
    return isinstance(called, ast.Call) and ast.unparse(called.func) == "get_config"


def stated(roots: Sequence[Path], file: str) -> tuple[dict[str, object], list[str]]:
    """What holds at the end of a file of one of several checkouts, its imports included.

    Returns:
        Values by key, and the keys that literals do not tell, of this file and those it imports.
    """
    root = next(root for root in roots if (root / file).is_file())
    text = Text(root / file, root)
    found, computed = {}, list(text.computed)
    for name, (place, there) in text.imports.items():
        values, unknown = stated(roots, place)
        computed += unknown
        for key, value in values.items():
            if key == there or key.startswith(f"{there}."):
                found[name + key.removeprefix(there)] = value
    for key, value in text.values.items():
        for below in [other for other in found if other.startswith(f"{key}.")]:
            del found[below]
        found[key] = found[value["same as"]] if isinstance(value, dict) else value
    return found, computed


def resolved(values: dict[str, object]) -> dict[str, object]:
    """The same of a run's sections, without calls, and with interpolations followed."""
    found = {}
    for key, value in values.items():
        if value == CALL or key.split(".")[0] not in SECTIONS:
            continue
        place = key
        while isinstance(value, str) and value.startswith("${"):
            name = value[2:-1]
            up = len(name) - len(name.lstrip("."))
            parents = place.split(".")[:-up] if up else []
            place = ".".join([*parents, name.lstrip(".")])
            value = values[place]
        found[key] = value
    return found


def commit(root: Path) -> str:
    """Which version a checkout is."""
    command = ["git", "-C", str(root), "rev-parse", "--short=7", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def is_number(value: object) -> bool:
    """Numbers, lists of them, yes, no, and nothing; no text."""
    items = value if isinstance(value, list) else [value]
    return all(item is None or isinstance(item, int | float) for item in items)


def table(roots: dict[str, Path], experiments: dict[str, list[str]]) -> dict[str, object]:
    """The numbers that experiments state.

    Args:
        roots: checkouts by repository.
        experiments: files by repository.

    Returns:
        "commits": by repository; "experiments": repository and file of each; "numbers": lines of
        key, value, and the places in "experiments" of those that state it.
    """
    files = [[name, file] for name, chosen in experiments.items() for file in chosen]
    lines: dict[tuple[str, str], list] = {}
    for number, (_, file) in enumerate(files):
        for key, value in resolved(stated([*roots.values()], file)[0]).items():
            if is_number(value):
                lines.setdefault((key, repr(value)), [key, value, []])[2].append(number)
    commits = {name: commit(root) for name, root in roots.items()}
    return {"commits": commits, "experiments": files, "numbers": [*lines.values()]}


def main(arguments: list[str]) -> None:
    """Write the table of all experiments in these checkouts that load."""
    checkouts = dict(argument.split("=", maxsplit=1) for argument in arguments)
    roots = {name: Path(folder) for name, folder in checkouts.items()}
    made = table(roots, {name: _loaded(root) for name, root in roots.items()})
    parts = (
        f'"{name}": ' + (json.dumps(part) if isinstance(part, dict) else _lines(part))
        for name, part in made.items()
    )
    TABLE.write_text("{\n" + ",\n".join(parts) + "\n}\n")


def _lines(items: list) -> str:
    return "[\n" + ",\n".join(json.dumps(item) for item in items) + "\n]"


def _loaded(root: Path) -> list[str]:
    from aligndetr.config import LazyConfig
    from aligndetr.errors import ConfigError
    from aligndetr.interop import enable_foreign_configs

    enable_foreign_configs()
    found = []
    for path in sorted(root.glob("projects/*/configs/**/*.py")):
        try:
            config = LazyConfig.load(path)
        except ConfigError:
            continue
        if {"model", "train", "lr_multiplier"} <= config.keys():
            found.append(path.relative_to(root).as_posix())
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
