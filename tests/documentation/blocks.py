"""Fenced blocks of the documentation, and the commands in them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "aligndetr/projects").glob("*/README.md")),
]
_FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """What stands between two fences.

    Attributes:
        page: path of the file, from the root of the repository.
        line: of the opening fence, from 1.
        kind: python, bash (commands), console (commands after "$ ", and what they print) or text.
        text: without the fences.
    """

    page: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        """Where it is, for messages."""
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str | None:
        """The name that a first line such as `# file: my_run.py` gives it."""
        named = re.match(r"# file: ([\w./-]*\w)", self.text)
        return named and named[1]


def blocks_of(path: Path) -> list[Block]:
    """All blocks of a page."""
    text = path.read_text(encoding="utf-8")
    page = path.relative_to(ROOT).as_posix()
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[2], found[3])
        for found in _FENCE.finditer(text)
    ]


@dataclass(frozen=True)
class Command:
    """A command as a reader types it, with the lines that it is said to print."""

    text: str
    prints: tuple[str, ...] | None = None

    @property
    def words(self) -> list[str]:
        """Its words."""
        return shlex.split(self.text, comments=True)


def commands_of(block: Block) -> list[Command]:
    """The commands of a bash or console block; those joined by && count one by one."""
    if block.kind == "console":
        parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
        return [Command(part.splitlines()[0], tuple(part.splitlines()[1:])) for part in parts]
    lines = block.text.replace("\\\n", " ").splitlines()
    texts = [re.sub(r"\s+", " ", part).strip() for line in lines for part in line.split("&&")]
    commands = [Command(re.sub(r"\s+#\s.*$", "", text)) for text in texts]
    return [command for command in commands if command.words]
