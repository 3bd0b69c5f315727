"""Print a resolved config as YAML, with the file and line that set each value.

A value that is written as an interpolation is shown resolved, with the
interpolation beside it.

    aligndetr config --diff A B

prints the keys that differ. A and B are names of configs, files, folders of
runs, or checkpoints; nothing that a .yaml file or a checkpoint names is
imported.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from aligndetr.commands.arguments import (
    ConfigChoice,
    add_config_arguments,
    config_path,
    split_words,
)

if TYPE_CHECKING:
    from omegaconf import DictConfig, ListConfig

    from aligndetr.config.difference import Difference
    from aligndetr.config.origins import Origin

_WIDTH, _COMMENT_COLUMN = 80, 44
_OVERRIDE = "override"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Config and overrides."""
    add_config_arguments(parser)
    parser.add_argument("--diff", nargs=2, metavar=("A", "B"), help="print what differs instead")


def run(args: argparse.Namespace) -> int:
    """Print the config, or what differs between two.

    Raises:
        ConfigError: one does not exist or cannot be read, or a config is given beside `--diff`.
    """
    if args.diff:
        return _print_differences(args)
    return _print_config(args)


def _print_config(args: argparse.Namespace) -> int:
    from aligndetr.config.origins import load_with_origins

    choice = split_words(args)
    config, origins = load_with_origins(config_path(choice), choice.overrides)
    names = short_names({origin.file for origin in origins.values() if origin.file})
    for file, name in sorted(names.items(), key=lambda item: item[1]):
        line = f"# {name}: {_shown(file)}"
        print(line if len(line) <= _WIDTH else line.replace(": ", ":\n#   ", 1))
    for line in config_lines(config, origins, names):
        print(line)
    return 0


def _print_differences(args: argparse.Namespace) -> int:
    from aligndetr.config.difference import differences
    from aligndetr.errors import ConfigError

    if args.words or args.config_file:
        given = args.config_file or args.words[0]
        raise ConfigError(f"{given}: --diff takes two configs and nothing else")
    found = differences(*map(_read, args.diff))
    if not found:
        print("no differences")
        return 0
    print(f"- {args.diff[0]}\n+ {args.diff[1]}\n")
    print("\n".join(difference_lines(found)))
    return 0


def _read(name: str) -> DictConfig:
    """A config by name, file or checkpoint, or of a run's folder; only read."""
    from aligndetr.config import LazyConfig

    folder = Path(name).expanduser()
    if folder.is_dir():
        name = str(folder / "config.yaml")
    if folder.suffix == ".pth":
        from aligndetr.engine.stored_config import stored_config

        return stored_config(folder, trust_config=True)  # nothing of it is called
    return LazyConfig.read(config_path(ConfigChoice(name)))


def difference_lines(found: list[Difference]) -> Iterator[str]:
    """`key: first -> second`, or the key and two lines where that is longer than 80 columns."""
    for difference in found:
        first, second = map(_side, (difference.first, difference.second))
        line = f"{difference.key}: {first} -> {second}"
        if len(line) <= _WIDTH:
            yield line
        else:
            yield from (f"{difference.key}:", f"  - {first}", f"  + {second}")


def _side(value: object) -> str:
    from aligndetr.config.difference import ABSENT

    return "(absent)" if value is ABSENT else _text(value)


def config_lines(
    config: DictConfig, origins: dict[str, Origin], names: dict[Path, str]
) -> Iterator[str]:
    """A config as lines of YAML with the origin of each value as a comment.

    Args:
        config: the config.
        origins: where each leaf comes from, by its dotted path.
        names: how to call each file.
    """
    for row in _rows(config, "", {key: _comment(origins[key], names) for key in origins}):
        yield from _laid_out(*row)


def _rows(
    node: DictConfig | ListConfig, path: str, comments: dict[str, str]
) -> Iterator[tuple[int, str, str]]:
    """Indent, text and comment of each line of YAML."""
    from aligndetr.config.nodes import entries, is_mapping

    for key, value in entries(node):
        label, inner = (f"{key}:" if is_mapping(node) else "-"), f"{path}{key}"
        if not _has_rows(value):
            text, note = _value(node, key, value)
            yield 0, f"{label} {text}", f"{note}{_origin_of(inner, comments)}"
            continue
        children = list(_rows(value, f"{inner}.", comments))
        if label == "-":  # the first child stands on the line of the dash
            indent, text, comment = children.pop(0)
            yield indent, f"- {text}", comment
        else:
            yield 0, label, ""
        yield from ((indent + 2, text, comment) for indent, text, comment in children)


def _origin_of(path: str, comments: dict[str, str]) -> str:
    """The comment of a leaf, or of the items of a list in one line: an override wins."""
    if path in comments:
        return comments[path]
    items = [text for key, text in comments.items() if key.startswith(f"{path}.")]
    return _OVERRIDE if _OVERRIDE in items else next(iter(items), "")


def _has_rows(value: object) -> TypeGuard[DictConfig | ListConfig]:
    """Whether a value takes lines of its own: a filled dict (no name), or a list of containers."""
    from aligndetr.config.nodes import SOURCE, entries, is_mapping, is_name, is_sequence

    if is_mapping(value):
        return len(value) > 0 and not is_name(value) and SOURCE not in value
    if not is_sequence(value):
        return False
    return any(is_mapping(item) or is_sequence(item) for _, item in entries(value))


def _value(node: DictConfig | ListConfig, key: Any, value: object) -> tuple[str, str]:
    """The text of a value, and what its comment says before its origin."""
    from omegaconf import OmegaConf

    from aligndetr.config.nodes import is_mapping, is_sequence

    if not OmegaConf.is_interpolation(node, key):
        return _text(value), ""
    try:
        resolved = node[key]
    except Exception:  # omegaconf has several classes for it
        return _text(value), "not resolved, "
    if is_mapping(resolved) or is_sequence(resolved):
        return _text(value), ""
    return _text(resolved), f"= {value}, "


def _text(value: object) -> str:
    from aligndetr.config.nodes import SOURCE, is_mapping, is_name, is_sequence, to_plain
    from aligndetr.config.yaml_file import yaml_text

    plain = to_plain(value)
    if plain == {}:
        return "{}"
    if is_mapping(plain):
        plain = plain["name"] if is_name(plain) else plain[SOURCE]
    text = yaml_text(plain if is_sequence(plain) else [plain], width=10**6).strip()
    return text if is_sequence(plain) else text[1:-1]


def _laid_out(indent: int, text: str, comment: str) -> list[str]:
    """The lines of a row within 80 columns: its comment beside it, or below where that is full."""
    line = " " * indent + text
    if not comment:
        return [line]
    comment = f"# {comment}"
    start = min(max(_COMMENT_COLUMN, len(line) + 2), _WIDTH - len(comment))
    if start >= len(line) + 2:
        return [f"{line:<{start}}{comment}"]
    pad = " " * (indent + 4)
    wrapped = textwrap.wrap(
        line, _WIDTH, subsequent_indent=pad, break_long_words=False, break_on_hyphens=False
    )
    return [*wrapped, f"{comment:>{_WIDTH}}"]


def _comment(origin: Origin, names: dict[Path, str]) -> str:
    if origin.file is None:
        return _OVERRIDE
    line = f":{origin.line}" if origin.line else ""
    return f"{names[origin.file]}{line}"


def _shown(file: Path) -> Path:
    """A file relative to the current folder, or to the folder of the package, if it is below."""
    from aligndetr.config.find_file import PACKAGE_FOLDER

    for folder in (Path.cwd(), PACKAGE_FOLDER.parent):
        if file.is_relative_to(folder):
            return file.relative_to(folder)
    return file


def short_names(files: set[Path]) -> dict[Path, str]:
    """File names, each with as many folders before it as it takes to tell them apart."""
    names = {}
    for file in files:
        count = 1
        while any(_tail(other, count) == _tail(file, count) for other in files - {file}):
            count += 1
        names[file] = _tail(file, count)
    return names


def _tail(file: Path, count: int) -> str:
    return "/".join(file.parts[-count:])
