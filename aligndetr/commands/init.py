"""Write a config file of one's own for a dataset, a reason beside each value.

    aligndetr init PATH [--output my_data.py] [--minutes 30]

looks at the data as `aligndetr doctor` does, and at this machine, and tries
some steps. Data without a val split are divided into a copy beside the file,
images that look alike on one side. Nothing is trained; the file is yours to
change.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from aligndetr.errors import UserError

if TYPE_CHECKING:
    from aligndetr.initial_config import Draft, Survey


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("data", metavar="PATH", help="folder or annotation file")
    add(
        "--output",
        default="my_data.py",
        metavar="FILE",
        help="default: %(default)s",
    )
    add("--overwrite", action="store_true", help="replace the file if it is there")
    add(
        "--model",
        metavar="NAME",
        help="a config that `aligndetr configs` lists (default: by data and machine)",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes", type=float, help="of training on this machine, by steps tried here"
    )
    length.add_argument("--epochs", type=float, help="over the images")
    add(
        "--upside-down",
        action="store_true",
        help="images look as natural upside down, as under a microscope",
    )
    add("--quick", action="store_true", help="read only headers of images, and try no step")


def run(args: argparse.Namespace) -> int:
    """Write the file, and print what was found and what comes next.

    Raises:
        UserError: no such data, nothing to learn from, or a file that is there.
    """
    path = _checked(args)
    from aligndetr import initial_config as initial
    from aligndetr.files import atomic_write

    copy = path.with_name(f"{path.stem}_divided")
    survey = initial.survey(args.data, copy, args.quick)
    machine = initial.this_machine()
    recipe = (
        initial.recipe_of(args.model)
        if args.model
        else initial.recipe_for(survey, machine, args.minutes)
    )
    print(format_survey(survey), flush=True)
    print(
        f"{machine}: {recipe.config}" + ("" if args.quick else "; trying some steps ..."),
        flush=True,
    )
    wishes = initial.Wishes(args.upside_down, f"./output/{path.stem}")
    limits = initial.Limits(args.minutes, args.epochs)
    command = shlex.join(["aligndetr", "init", *_words(args)])
    draft = initial.draft(survey, machine, recipe, wishes, limits, command, not args.quick)
    with atomic_write(path) as file:
        file.write(draft.text)
    print(format_draft(draft, survey, path))
    return 0


def format_survey(survey: Survey) -> str:
    """What was found, and what an own look is worth."""
    lines = [
        f"{survey.path}",
        f"  images to learn from: {survey.num_images}, up to {survey.most_objects} objects in one; "
        f"classes: {len(survey.class_names)}",
        f"  images to judge by: {survey.num_val_images}",
    ]
    if survey.is_judged_by_itself:
        lines[-1] += ", the same ones, as so few cannot be divided"
    for report in survey.reports:
        if count := report.count("warning"):
            lines.append(f"  warnings of `aligndetr doctor` about {report.name}: {count}")
    lines += [f"  {len(leak.examples)} x {leak.title}" for leak in survey.leaks]
    return "\n".join(lines)


def format_draft(draft: Draft, survey: Survey, path: Path) -> str:
    """How long it will take, and what to do with the file."""
    from aligndetr.commands.plan import format_duration

    seconds = draft.length.seconds(survey)
    time = f", about {format_duration(seconds)} here" if seconds else ""
    return "\n".join(
        [
            f"-> {path}: {draft.length.steps} steps of {draft.length.batch_size} images{time}",
            "",
            f"aligndetr overfit {path}    # can it learn at all?",
            f"aligndetr train {path}",
        ]
    )


def _checked(args: argparse.Namespace) -> Path:
    """The file to write."""
    path = Path(args.output)
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise UserError(f"--output {path}: give the name of a Python file, such as my_data.py")
    if path.exists() and not args.overwrite:
        raise UserError(f"{path} is there: give another --output, or --overwrite")
    for name in ("minutes", "epochs"):
        value = getattr(args, name)
        if value is not None and not 0 < value < 1e6:
            raise UserError(f"--{name} {value:g}: give a positive number")
    if args.quick and args.minutes is not None:
        raise UserError("--minutes needs steps to be tried, --quick tries none: leave one out")
    return path


def _words(args: argparse.Namespace) -> list[str]:
    """The command line again, as far as it decides what is in the file."""
    given = [(name, getattr(args, name)) for name in ("model", "minutes", "epochs")]
    words = [word for name, value in given if value is not None for word in _option(name, value)]
    flags = ["--upside-down"] * args.upside_down + ["--quick"] * args.quick
    return [args.data, *words, *flags]


def _option(name: str, value: str | float) -> list[str]:
    return [f"--{name}", value if isinstance(value, str) else f"{value:g}"]
