"""Every command and block of Python in README and docs is executed, or listed with a reason."""

import importlib
import re
import sys
import warnings
from pathlib import Path

import pytest

from aligndetr.config import LazyConfig
from tests.documentation.blocks import PAGES, ROOT, Block, blocks_of, commands_of
from tests.documentation.exceptions import COMMANDS, GIVEN, PYTHON
from tests.documentation.running import imports_of, read_command, run_command

EXCEPTED = {text: reason for reason, texts in COMMANDS.items() for text in texts}
ALL = [block for page in PAGES for block in blocks_of(page)]
SHELL = ("bash", "console")
WITH_BLOCKS = sorted({block.page for block in ALL if block.kind in (*SHELL, "python")})


def is_excepted(block):
    """Whether a block of Python is in the table."""
    return any(begins_in(block, page, text) for page, text in PYTHON)


def begins_in(block, page, text):
    """Whether a line of the block, on that page, begins with the text."""
    lines = block.text.splitlines()
    return page == block.page and any(line.startswith(text) for line in lines)


def matches(expected, output):
    """Whether the expected lines occur in this order; "..." stands for any lines."""
    pattern = "".join(
        r"(.*\n)*?" if line == "..." else re.escape(line) + r"\n" for line in expected
    )
    return re.fullmatch(pattern, output) is not None


def run_commands(block, capsys):
    for command in commands_of(block):
        if command.text in EXCEPTED:
            continue
        capsys.readouterr()
        status = run_command(command.text)
        output = "".join(capsys.readouterr())
        message = f"{block}: {command.text}\n{output[-3000:]}"
        if command.prints is None:
            assert status == 0, message
        else:
            assert matches(command.prints, output), message


def run_python(block, namespace):
    if block.file:
        Path(block.file).write_text(block.text)
        if "LazyCall" in block.text or "get_config" in block.text:
            LazyConfig.load(block.file)
    else:
        exec(compile(block.text, str(block), "exec"), namespace)


@pytest.mark.parametrize("page", WITH_BLOCKS)
def test_a_reader_can_do_what_the_page_says(page, reader, capsys):
    namespace, modules = {}, set(sys.modules)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(GIVEN.get(page, ""), namespace)
        for block in blocks_of(ROOT / page):
            if block.kind in SHELL:
                run_commands(block, capsys)
            elif block.kind == "python" and not is_excepted(block):
                run_python(block, namespace)
    for name in set(sys.modules) - modules:
        if str(reader) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_what_is_not_executed_is_read_by_the_real_parsers():
    for block in ALL:
        if block.kind in SHELL:
            for command in commands_of(block):
                if command.text in EXCEPTED:
                    read_command(command)
        elif block.kind == "python" and is_excepted(block):
            for module, name in imports_of(block.text):
                loaded = importlib.import_module(module)
                assert name is None or hasattr(loaded, name), f"{block}: {module}.{name}"


def test_the_table_has_no_entry_that_no_page_needs():
    commands = {
        command.text for block in ALL if block.kind in SHELL for command in commands_of(block)
    }
    assert set(EXCEPTED) - commands == set()
    assert [key for key in PYTHON if not any(begins_in(block, *key) for block in ALL)] == []
    assert set(GIVEN) <= set(WITH_BLOCKS)


def test_every_block_says_what_it_is():
    unknown = [str(block) for block in ALL if block.kind not in (*SHELL, "python", "text")]
    assert unknown == [], "after ```: bash, console, python, or text for what nobody types"
    typed = re.compile(r"^(\$|aligndetr|python|pip|pytest) ", re.MULTILINE)
    assert [str(block) for block in ALL if block.kind == "text" and typed.search(block.text)] == []


def test_the_matching_can_fail():
    assert matches(["a", "...", "c"], "a\nb\nb\nc\n")
    assert not matches(["a", "...", "d"], "a\nb\nc\n")
    assert not matches(["a"], "a\nb\n")


def test_commands_are_found_where_they_stand():
    text = "pip install -e . && aligndetr train \\\n    tiny a=1  # long\n# only a remark\n"
    found = [command.text for command in commands_of(Block("x.md", 1, "bash", text))]
    assert found == ["pip install -e .", "aligndetr train tiny a=1"]
    shown = Block("x.md", 1, "console", "$ aligndetr a\n1\n2\n$ aligndetr b\n3\n")
    assert [(c.text, c.prints) for c in commands_of(shown)] == [
        ("aligndetr a", ("1", "2")),
        ("aligndetr b", ("3",)),
    ]
