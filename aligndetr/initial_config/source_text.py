"""Settings as the text of a config file."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 100


@dataclass(frozen=True)
class Setting:
    """A line of a config file.

    Attributes:
        code: an assignment.
        why: the reason, in a comment.
    """

    code: str
    why: str


def source_text(
    title: str, module: str, sections: Sequence[Sequence[Setting]], imports: Sequence[str]
) -> str:
    """The file.

    Args:
        title: docstring, its first line short.
        module: of the config that is changed.
        sections: settings that belong together.
        imports: lines, of what the settings use besides.
    """
    head = [f'"""{title}"""', "", *imports]
    names = ("dataloader", "lr_multiplier", "model", "optimizer", "train")
    head += [f"from {module} import (", *(f"    {name}," for name in names), ")"]
    body = [[line for setting in part for line in _lines(setting)] for part in sections if part]
    return "\n".join([*head, *(line for part in body for line in ("", *part)), ""])


def printable(text: str) -> str:
    """A text that stays on its line of a comment, whatever it holds."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def _lines(setting: Setting) -> list[str]:
    """The code with its reason behind it, or above it where that is too long."""
    line = f"{setting.code}  # {setting.why}"
    if len(line) <= WIDTH and "\n" not in setting.code:
        return [line]
    return [*textwrap.wrap(setting.why, WIDTH - 2, initial_indent="# ", subsequent_indent="# "),
            *setting.code.split("\n")]  # fmt: skip
