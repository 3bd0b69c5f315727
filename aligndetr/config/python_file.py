"""Python files of configs: executed, so that they import each other by file location; and printed.

A config file gets its own `__import__` through its own `__builtins__`. Nothing global is changed:
no entry in sys.modules, nothing to restore when a config raises, and threads and nested loads do
not meet.
"""

from __future__ import annotations

import builtins
import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, ModuleType

from omegaconf import DictConfig, ListConfig
from omegaconf.errors import OmegaConfBaseException

from aligndetr.config.find_file import PACKAGE_FOLDER, read_text
from aligndetr.config.foreign import find_foreign_module, how_to_translate
from aligndetr.config.nodes import (
    RECURSIVE,
    SOURCE,
    TARGET,
    is_name,
    leaves,
    lists_for_tuples,
    to_node,
    to_plain,
)
from aligndetr.errors import (
    ConfigError,
    ConfigImportError,
    ConfigSyntaxError,
    UserError,
    config_error,
    did_you_mean,
)

_WIDTH = 100
_PACKAGED = re.compile(r"aligndetr\.(configs|projects\.\w+\.configs)(\.|$)")


@dataclass
class ExecutedFile:
    """A config file that ran: what it imported, and the leaves it exported when it ended.

    Without a path it is an observer, put in `current_file` to learn what a load executes.
    """

    path: Path | None
    parent: ExecutedFile | None = None
    imports: list[ExecutedFile] = field(default_factory=list)
    leaves: dict[str, object] = field(default_factory=dict)

    def chain(self) -> list[Path]:
        """The files being executed, outermost first."""
        outer = self.parent.chain() if self.parent else []
        return [*outer, self.path] if self.path else outer


current_file: ContextVar[ExecutedFile | None] = ContextVar("current_file", default=None)


def is_outermost() -> bool:
    """Whether no config file is being executed in this thread."""
    running = current_file.get()
    return running is None or running.path is None


def execute(path: Path) -> dict[str, object]:
    """Run a config file.

    Args:
        path: the .py file.

    Returns:
        its public variables; dicts and lists have become config nodes.

    Raises:
        ConfigError: the file is missing, is not valid Python, raises (with file and line), or
            imports itself through other files.
    """
    path = path.resolve()
    record = ExecutedFile(path, parent=current_file.get())
    if record.parent and path in record.parent.chain():
        names = " -> ".join(file.name for file in record.chain())
        raise ConfigError(f"config files import each other in a circle: {names}")
    code = _compile(path)
    namespace: dict[str, object] = {
        "__name__": f"<config {path.name}>",  # not importable: configs never enter sys.modules
        "__file__": str(path),
        "__builtins__": {**vars(builtins), "__import__": _importer(path)},
    }
    _run(code, namespace, record, path)
    exported = {
        name: _exported(value, name, path) for name, value in namespace.items() if name[0] != "_"
    }
    if record.parent:
        record.leaves = dict(leaves(sections(exported)))
        record.parent.imports.append(record)
    return exported


def sections(exported: Mapping[str, object]) -> dict[str, DictConfig | ListConfig]:
    """The config nodes among a file's variables."""
    kinds = (DictConfig, ListConfig)
    return {name: value for name, value in exported.items() if isinstance(value, kinds)}


def _run(code: CodeType, namespace: dict[str, object], record: ExecutedFile, path: Path) -> None:
    token = current_file.set(record)
    try:
        exec(code, namespace)
    except (Exception, SystemExit) as error:
        if _is_said(error):
            raise
        raise _located(error, path) from error
    finally:
        current_file.reset(token)


def _is_said(error: BaseException) -> bool:
    """Whether an error is for users already: it names a config file, or is about something else."""
    if isinstance(error, ConfigError):
        return error.config_file is not None
    return isinstance(error, UserError)


def _located(error: BaseException, path: Path) -> ConfigError:
    reason = str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
    return _named(config_error(f"{path}:{_line_in(path, error)}: {reason}", error), path)


def _named(error: ConfigError, path: Path) -> ConfigError:
    """Mark an error that begins with its file: outer files are not put before it."""
    error.config_file = path
    return error


def _exported(value: object, name: str, path: Path) -> object:
    if not isinstance(value, (dict, list, DictConfig, ListConfig)):
        return value
    try:
        return lists_for_tuples(to_node(value))
    except (OmegaConfBaseException, RecursionError) as error:
        reason = str(error).splitlines()[0]
        text = f"{path}: {name} cannot be a section: {reason}; name it _{name} to keep it out"
        raise _named(ConfigError(f"{text} of the config"), path) from error


def _compile(path: Path) -> CodeType:
    text = read_text(path)
    try:
        return compile(text, str(path), "exec")
    except (SyntaxError, ValueError, RecursionError) as error:
        line, text = getattr(error, "lineno", 1), (getattr(error, "text", None) or "").strip()
        reason = f"{path}:{line}: syntax error: {getattr(error, 'msg', error)}: {text}"
        raise _named(ConfigSyntaxError(reason), path) from error


def _line_in(path: Path, error: BaseException) -> int:
    frames = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if frame.f_code.co_filename == str(path)]
    return lines[-1] if lines else 1


def _importer(file: Path):
    """The `__import__` that a config file sees."""

    def import_from_config(name, globals=None, locals=None, fromlist=(), level=0):
        wanted = tuple(fromlist or ())
        if level > 0:
            folder = file.parents[level - 1]
            return _import_files(folder.joinpath(*name.split(".")) if name else folder, wanted)
        if wanted and _PACKAGED.match(name):
            return _import_files(PACKAGE_FOLDER.joinpath(*name.split(".")[1:]), wanted)
        return _import_installed(name, globals, locals, wanted)

    return import_from_config


def _import_installed(name: str, globals, locals, wanted: tuple[str, ...]) -> object:
    """Import a real module, or ask the dialects where it, or a name in it, does not exist."""
    try:
        module = builtins.__import__(name, globals, locals, wanted, 0)
    except ModuleNotFoundError as error:
        if not (error.name and f"{name}.".startswith(f"{error.name}.")):
            raise  # an installed module fails on an import of its own
        stand_in = find_foreign_module(name if wanted else name.partition(".")[0])
        if stand_in is None:
            error.msg += how_to_translate(name)
            raise
        return stand_in
    if all(item == "*" or hasattr(module, item) for item in wanted):
        return module
    stand_in = find_foreign_module(name)
    return module if stand_in is None else stand_in


def _import_files(target: Path, wanted: Sequence[str]) -> ModuleType:
    """Import a config file, or files of a folder, freshly executed."""
    if _file_of(target).is_file():
        return _module(_file_of(target), execute(_file_of(target)))
    if not target.is_dir():
        near = did_you_mean(target.name, (file.stem for file in target.parent.glob("*.py")))
        raise ConfigImportError(f"no config file {_file_of(target)}{near}")
    start = target / "__init__.py"
    module = _module(start, execute(start) if start.is_file() else {})
    for name in wanted:
        if not hasattr(module, name) and name != "*":
            setattr(module, name, _import_files(target / name, ()))
    return module


def _file_of(target: Path) -> Path:
    return target.parent / f"{target.name}.py"


def _module(path: Path, exported: dict[str, object]) -> ModuleType:
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    vars(module).update(exported)
    return module


def python_text(config: Mapping, prefix: str = "cfg.") -> str:
    """One assignment a line: `cfg.train.max_iter = 50`, calls with their arguments.

    For people to read and compare: not every value can be executed again.
    """
    return "".join(f"{line}\n" for line in _assignments(to_plain(config), prefix))


def _assignments(section: dict, prefix: str) -> Iterator[str]:
    for key, value in section.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value and not {TARGET, SOURCE} & value.keys():
            yield from _assignments(value, f"{path}.")
        else:
            yield f"{path} = {_expression(value, 0, len(path) + 3)}"


def _expression(value: object, indent: int, used: int) -> str:
    if not isinstance(value, (dict, list)):
        return repr(value)
    if isinstance(value, list):
        return _bracketed("[", [("", item) for item in value], "]", indent, used)
    if is_name(value) or SOURCE in value:
        return value["name"] if is_name(value) else value[SOURCE]
    if TARGET not in value:
        pairs = [(f"{key!r}: ", item) for key, item in value.items()]
        return _bracketed("{", pairs, "}", indent, used)
    arguments = [(f"{key}=", item) for key, item in value.items() if key not in (TARGET, RECURSIVE)]
    target = value[TARGET]
    callee = target if isinstance(target, str) else _expression(target, 0, 0)
    return _bracketed(f"{callee}(", arguments, ")", indent, used)


def _bracketed(start: str, items: list, end: str, indent: int, used: int) -> str:
    short = [label + _expression(item, 0, 0) for label, item in items]
    line = f"{start}{', '.join(short)}{end}"
    if "\n" not in line and used + len(line) <= _WIDTH:
        return line
    pad = " " * (indent + 4)
    lines = [
        f"{pad}{label}{_expression(item, indent + 4, indent + 5 + len(label))},\n"
        for label, item in items
    ]
    return f"{start}\n{''.join(lines)}{' ' * indent}{end}"
