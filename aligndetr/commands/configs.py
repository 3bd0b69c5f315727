"""List the configs that come with the package, each with a line of description.

Where the output is not a terminal, a line is the name, a tab and the
description.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap

from aligndetr.config.find_file import ShippedConfig, shipped_configs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`aligndetr configs` takes no arguments."""


def run(args: argparse.Namespace) -> int:
    """Print the list."""
    configs = shipped_configs()
    if not sys.stdout.isatty():
        for config in configs:
            print(f"{config.name}\t{config.description}")
        return 0
    print(_table(configs, shutil.get_terminal_size().columns))
    return 0


def _table(configs: list[ShippedConfig], columns: int) -> str:
    """Names in full, descriptions wrapped beside them, under a heading per project."""
    width = max((len(config.name) for config in configs), default=0) + 4
    room = max(columns - width - 1, 24)
    lines, project = [], None
    for config in configs:
        if config.path.parents[1] != project:
            project = config.path.parents[1]
            lines.append(f"{project.name}:")
        described = textwrap.wrap(config.description, room) or [""]
        lines.append(f"  {config.name:<{width - 2}}{described[0]}".rstrip())
        lines += [" " * width + more for more in described[1:]]
    return "\n".join(lines)
