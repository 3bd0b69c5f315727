"""From the name of a config to its file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aligndetr.errors import (
    ConfigFileNotFoundError,
    ConfigRuntimeError,
    ConfigValueError,
    config_error,
    did_you_mean,
)

PACKAGE_FOLDER = Path(__file__).resolve().parents[1]
SUFFIXES = (".py", ".yaml", ".yml")
_ELSE = "; give a file, or one of the names that `aligndetr configs` lists"


@dataclass(frozen=True)
class ShippedConfig:
    """A config that comes with the package: bare name, file, first line of its docstring."""

    name: str
    path: Path
    description: str


def resolve_config(name: str) -> Path:
    """Find the file that a user means.

    Args:
        name: an existing path; a path relative to the package
            (`projects/align_detr/configs/x.py`); or the bare name of a shipped config
            (`aligndetr_tiny`). The suffix `.py` may be left out.

    Raises:
        ConfigError: nothing is found (with similar names), or a bare name fits two files.
    """
    try:
        return _file_of(name)
    except (OSError, RuntimeError) as error:
        if isinstance(error, ConfigFileNotFoundError):
            raise
        # the system knows no such home folder, or allows no name as long as this
        raise ConfigFileNotFoundError(f"no config {name[:80]!r}: {error.args[-1]}") from error


def _file_of(name: str) -> Path:
    given = Path(name).expanduser()
    for folder in (Path(), PACKAGE_FOLDER, PACKAGE_FOLDER / "configs"):
        for path in (folder / given, folder / given.parent / f"{given.name}.py"):
            if path.suffix in SUFFIXES and path.is_file():
                return path
    wanted = given.stem if given.suffix in SUFFIXES else given.name
    fitting = [path for path in shipped_files() if path.stem == wanted]
    if len(fitting) == 1 and given.parent == Path():
        return fitting[0]
    if len(fitting) > 1:
        paths = ", ".join(str(path.relative_to(PACKAGE_FOLDER)) for path in fitting)
        raise ConfigValueError(f"the config name {name!r} fits {paths}; give the path")
    if name and given.exists():
        kind = "a folder" if given.is_dir() else "not a config: its name ends in .py or .yaml"
        raise ConfigValueError(f"{name} is {kind}")
    hint = did_you_mean(wanted, (path.stem for path in shipped_files())) or _ELSE
    raise ConfigFileNotFoundError(f"no config {name!r}{hint}")


def read_text(path: Path) -> str:
    """The text of a config file.

    Raises:
        ConfigError: it is missing (also a FileNotFoundError), or cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigFileNotFoundError(f"no config file {path}") from None
    except (OSError, ValueError) as error:
        raise config_error(f"cannot read config file {path}: {error}", error) from error


def find_packaged(name: str) -> Path:
    """A file of `aligndetr/configs` by its path there.

    Raises:
        ConfigError: it is not there; the message names similar files.
    """
    folder = PACKAGE_FOLDER / "configs"
    if (folder / name).is_file():
        return folder / name
    known = [file.relative_to(folder).as_posix() for file in sorted(folder.rglob("*.py"))]
    hint = did_you_mean(name, known) or _ELSE
    raise ConfigRuntimeError(f"no packaged config {name!r} in configs/{hint}")


def shipped_files() -> Iterator[Path]:
    """The .py configs of all projects, sorted; names with a leading underscore are private."""
    yield from sorted(PACKAGE_FOLDER.glob("projects/*/configs/[!_]*.py"))


def shipped_configs() -> list[ShippedConfig]:
    """All shipped configs with a description, read without executing them."""
    return [ShippedConfig(path.stem, path, _description(path)) for path in shipped_files()]


def _description(path: Path) -> str:
    try:
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    except (SyntaxError, ValueError) as error:
        return f"(not valid Python: {error})"
    return docstring.partition("\n")[0]
