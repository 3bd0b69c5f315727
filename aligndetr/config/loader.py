"""Execute .py config files, so that they can import each other by file location.

A config file gets its own `__import__` through its own `__builtins__`. Nothing global is changed:
no entry in sys.modules, nothing to restore when a config raises, and threads and nested loads do
not meet.
"""

from __future__ import annotations

import builtins
import difflib
import re
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from omegaconf import DictConfig, ListConfig
from omegaconf.errors import OmegaConfBaseException

from aligndetr.config.dialect import find_foreign_module
from aligndetr.config.nodes import leaves, lists_for_tuples, to_node
from aligndetr.errors import ConfigError, UserError

PACKAGE_FOLDER = Path(__file__).resolve().parents[1]
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


class ConfigFileError(ConfigError):
    """A config file is broken; the message starts with the file and the line."""


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
    token = current_file.set(record)
    try:
        exec(code, namespace)
    except ConfigFileError:
        raise
    except Exception as error:
        if isinstance(error, UserError) and not isinstance(error, ConfigError):
            raise
        raise _located(error, path) from error
    finally:
        current_file.reset(token)
    exported = {
        name: _exported(value, name, path) for name, value in namespace.items() if name[0] != "_"
    }
    if record.parent:
        record.leaves = exported_leaves(exported)
        record.parent.imports.append(record)
    return exported


def _located(error: Exception, path: Path) -> ConfigFileError:
    reason = str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
    return ConfigFileError(f"{path}:{_line_in(path, error)}: {reason}")


def _exported(value: object, name: str, path: Path) -> object:
    if not isinstance(value, (dict, list, DictConfig, ListConfig)):
        return value
    try:
        return lists_for_tuples(to_node(value))
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        remedy = f"name it _{name} to keep it out of the config"
        raise ConfigFileError(f"{path}: {name} cannot be a section: {reason}; {remedy}") from error


def exported_leaves(exported: dict[str, object]) -> dict[str, object]:
    """Flatten the config nodes among a file's variables: dotted path -> raw value."""
    found: dict[str, object] = {}
    for name, value in exported.items():
        if isinstance(value, (DictConfig, ListConfig)):
            found.update(leaves(value, f"{name}."))
    return found


def _compile(path: Path):
    try:
        return compile(path.read_text(encoding="utf-8"), str(path), "exec")
    except FileNotFoundError:
        raise ConfigError(f"no config file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read config file {path}: {error}") from error
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        text = (getattr(error, "text", None) or "").strip()
        reason = getattr(error, "msg", str(error))
        raise ConfigFileError(f"{path}:{line}: syntax error: {reason}: {text}") from error


def _line_in(path: Path, error: BaseException) -> int:
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


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
        raise ConfigError(f"no config file {_file_of(target)}{_similar_file(target)}")
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


def _similar_file(target: Path) -> str:
    stems = [file.stem for file in target.parent.glob("*.py")]
    close = difflib.get_close_matches(target.name, stems, n=3, cutoff=0.5)
    return f"; did you mean {', '.join(close)}?" if close else ""
