"""How a command of the documentation is executed: in this process, and shorter than it says."""

from __future__ import annotations

import argparse
import ast
import glob
import re
import runpy

import torch

from aligndetr import cli
from aligndetr.commands.arguments import load_config, split_words
from aligndetr.config import instantiate
from tests.documentation.blocks import ROOT, Command

# what pages write for anything that the reader has
STAND_INS = {"CONFIG": "aligndetr_tiny", "FILE": "model_final.pth", "DATASET": "kitchen"}
OWN_CONFIGS = ("my_config.py", "output/cells/config.yaml")  # the reader's, where nothing is run
NO_WORKERS = ["dataloader.train.num_workers=0", "dataloader.test.num_workers=0"]
SHORTER = {
    "train": [
        *NO_WORKERS,
        "dataloader.train.total_batch_size=2",
        "train.max_iter=2",
        "train.report.enabled=false",
    ],
    "eval": NO_WORKERS[1:],
    "init": ["--quick"],
    "overfit": ["--steps", "2", *NO_WORKERS[:1]],
    "analyze": ["--rounds", "2"],
    "walk": ["--size", "96"],
}


def words_of(command: Command) -> list[str]:
    """The command's words, with what stands for something of the reader filled in."""
    words = []
    for word in command.words:
        bare = re.search(rf"(?<!\S){re.escape(word)}(?!\S)", command.text)  # not in quotes
        found = sorted(glob.glob(word)) if "*" in word and bare else []
        words += found or [STAND_INS.get(word, word)]
    return words


def run_command(text: str) -> int:
    """Execute a command of ours and return its exit status.

    Raises:
        ValueError: it is none that could be executed here.
    """
    program, *words = words_of(Command(text))
    if program == "aligndetr":
        return cli.main([*words, *SHORTER.get(words[0], [])])
    if program == "python" and words[0].startswith("tools/"):
        return _run_tool(*words)
    raise ValueError(f"not a command of aligndetr: {text}")


def _run_tool(script: str, *words: str) -> int:
    tool = runpy.run_path(str(ROOT / script))
    return tool["main"]([*words, *NO_WORKERS])


def read_command(command: Command) -> None:
    """Parse a command that is not executed, and build the model of the config that it names."""
    words = ["aligndetr_tiny" if w in OWN_CONFIGS else w for w in words_of(command)]
    if "-m" in words:
        words = words[words.index("-m") + 1 :]
    if words[0] == "aligndetr":
        args = parsed(words[1:])
        if hasattr(args, "words") and not getattr(args, "checkpoint", None):
            build(args)
    elif words[0].partition(".")[0] in ("studies", "tests", "benchmarks"):
        module = ROOT / words[0].replace(".", "/")
        assert module.with_suffix(".py").is_file() or (module / "__main__.py").is_file(), module
    elif words[0] in ("python", "pytest", "mkdocs"):
        files = [word for word in words[1:] if "/" in word]
        assert all((ROOT / file).exists() for file in files), files


def parsed(words: list[str]) -> argparse.Namespace:
    """The arguments as the command's own parser reads them."""
    command = cli.load_command(words[0])
    parser = argparse.ArgumentParser(exit_on_error=False)
    command.add_arguments(parser)
    return parser.parse_intermixed_args(words[1:])


def build(args: argparse.Namespace) -> None:
    """Load the config and build its model, without memory for the weights."""
    if split_words(args).config is None:
        return
    config = load_config(args)
    if config.model.get("num_classes", 1) is None:
        config.model.num_classes = 3
    with torch.device("meta"):
        instantiate(config.model)


def imports_of(text: str) -> list[tuple[str, str | None]]:
    """Modules, and names in them, that Python code imports from this package."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and _is_ours(node.module or ""):
            found += [(node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(a.name, None) for a in node.names if _is_ours(a.name)]
    return found


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "aligndetr"
