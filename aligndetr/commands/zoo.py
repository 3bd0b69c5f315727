"""List weights that others published, or show and fetch one of them.

    aligndetr zoo
    aligndetr zoo rtdetr_r18 --fetch
    aligndetr eval --checkpoint zoo:rtdetr_r18

zoo:NAME stands for the file wherever a checkpoint is given; it is fetched once,
taken up where it was if the connection is cut, and compared with its hash where
one is known. Without CONFIG, the config counts that the weights fit. Figures
are those of the publishers; see docs/hub.md.
"""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aligndetr.interop.zoo import Model

_NOTE = (
    "AP: on COCO val2017, as published. MB, sha256: - where the publisher states none. seen: "
    "whether this project has read the file itself; of those it has not, names and layouts are "
    "known from the publisher's code. by hand: only a browser can fetch it."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="show this one (default: list all)")
    parser.add_argument("--fetch", action="store_true", help="fetch it, and print where it lies")


def run(args: argparse.Namespace) -> int:
    """Print the table, or one model.

    Raises:
        UserError: there is no such model, or it cannot be fetched.
    """
    from aligndetr.errors import UserError
    from aligndetr.interop.zoo import MODELS, PREFIX, find_model

    if args.name is None:
        if args.fetch:
            raise UserError("--fetch: say which one, as in `aligndetr zoo NAME --fetch`")
        print("\n".join(format_zoo(list(MODELS.values()))))
        return 0
    model = find_model(args.name)
    if args.fetch:
        from aligndetr.interop.references import local_checkpoint

        print(local_checkpoint(f"{PREFIX}{args.name.removeprefix(PREFIX)}"))
        return 0
    print("\n".join(describe(model)))
    return 0


def format_zoo(models: list[Model]) -> list[str]:
    """A table of 80 columns, and what its columns mean."""
    from aligndetr.evaluation.report import text_table

    sides = {"AP": "right", "MB": "right"}
    headings = [(name, sides.get(name, "left")) for name in ("name", "AP", "MB", "sha256", "seen")]
    rows = [
        [
            model.name,
            f"{model.ap:.1f}",
            f"{model.megabytes:g}" if model.megabytes else "-",
            model.sha256[:8] or "-",
            ("yes" if model.seen else "no") + (", by hand" if model.by_hand else ""),
        ]
        for model in models
    ]
    return [*text_table(headings, rows), *textwrap.wrap(_NOTE, 80)]


def describe(model: Model) -> list[str]:
    """Everything about one model, and how to use it."""
    from aligndetr.interop.zoo import PREFIX

    config = " ".join([model.config, *model.overrides])
    use = f"--checkpoint {PREFIX}{model.name}"
    if model.by_hand:
        use = f"{config} --checkpoint FILE, once a browser has saved it"
    facts = {
        "AP": f"{model.ap:.1f} on COCO val2017, as published",
        "config": config,
        "source": model.url,
        "facts from": model.page,
        "size": f"{model.megabytes:g} MB" if model.megabytes else "not stated",
        "sha256": model.sha256 or "not stated",
        "seen": "yes" if model.seen else "no: this project has not read the file itself",
        "use": f"aligndetr eval {use}",
    }
    return [model.name, *(f"  {name + ':':<12}{value}" for name, value in facts.items())]
