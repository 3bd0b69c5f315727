"""Measure how fast configs are in PyTorch, and exported files in their runtime.

    aligndetr benchmark rtdetr_r18_6x
    aligndetr benchmark aligndetr_tiny out/model.onnx out/model.xml --size 256

Several are run in turns, so that what else the machine does troubles all of
them alike. A run takes uint8 images of one size to detections; decoding and
resizing are not in it. Weights of a config are random: they do not change the
time. See docs/performance.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aligndetr.commands.arguments import is_override
from aligndetr.errors import UserError

if TYPE_CHECKING:
    from aligndetr.benchmark.latency import Latency
    from aligndetr.benchmark.subjects import Subject


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add = parser.add_argument
    add(
        "names",
        nargs="+",
        metavar="NAME",
        help="configs, .onnx and .xml files; and key=value, which changes all configs",
    )
    add("--batch-sizes", default="1,8", metavar="N,N", help="images at once (default: 1,8)")
    add("--size", type=int, default=640, metavar="PIXELS", help="of the images (default: 640)")
    add("--repeats", type=int, default=20, metavar="N", help="runs that count (default: 20)")
    add("--warm-up", type=int, default=3, metavar="N", help="runs before (default: 3)")
    add("--threads", type=int, metavar="N", help="default: one a core that this process may use")
    add("--precision", default="fp32", metavar="P", help="fp32 or bf16 (default: fp32)")
    add("--json", metavar="FILE", type=Path, help="write every run, and the machine, as data")


def run(args: argparse.Namespace) -> int:
    """Measure and print.

    Raises:
        UserError: something given cannot be opened, or nothing takes such images.
    """
    import torch

    from aligndetr.benchmark.latency import latency_table
    from aligndetr.benchmark.measure import describe_machine

    batches = _checked(args)
    threads = args.threads or usable_cores()
    torch.set_num_threads(threads)
    subjects = _subjects(args, threads)
    found = _measure(args, subjects, batches)
    machine = describe_machine()
    print("\n".join(latency_table(found)))
    print(
        f"{args.size} x {args.size} pixels, {threads} threads, {args.repeats} runs in turns after "
        f"{args.warm_up}\n{machine['cpu']}, {machine['cores']} cores"
    )
    for runtime in dict.fromkeys(subject.runtime for subject in subjects):
        print(f"  {runtime}")
    if args.json:
        _write(args, machine, found)
    return 0


def _write(args: argparse.Namespace, machine: dict[str, Any], found: list[Latency]) -> None:
    import json

    from aligndetr.files import atomic_write

    content = {"machine": machine, "results": [each.plain() for each in found]}
    with atomic_write(args.json) as file:
        json.dump(content, file, indent=1)
    print(f"written: {args.json}")


def _checked(args: argparse.Namespace) -> list[int]:
    """The sizes of the batches; all counts are positive."""
    try:
        batches = [int(word) for word in args.batch_sizes.split(",")]
    except ValueError:
        raise UserError(f"--batch-sizes {args.batch_sizes}: give numbers, as 1,8") from None
    counts = {"--batch-sizes": min(batches), "--size": args.size, "--repeats": args.repeats}
    counts |= {"--warm-up": args.warm_up + 1, "--threads": args.threads or 1}
    for flag, count in counts.items():
        if count < 1:
            raise UserError(f"{flag}: give at least {0 if flag == '--warm-up' else 1}")
    return batches


def _subjects(args: argparse.Namespace, threads: int) -> list[Subject]:
    from aligndetr.benchmark.subjects import open_subject

    overrides = [word for word in args.names if is_override(word)]
    names = [word for word in args.names if word not in overrides]
    if not names:
        raise UserError("nothing to measure: name a config, or a .onnx or .xml file")
    return [open_subject(name, threads, args.precision, overrides) for name in names]


def _measure(
    args: argparse.Namespace, subjects: list[Subject], batches: list[int]
) -> list[Latency]:
    from aligndetr.benchmark.latency import measure

    found = []
    for batch in batches:
        found += measure(subjects, batch, args.size, args.repeats, args.warm_up)
        for subject in subjects:
            if not subject.takes(batch, args.size):
                print(f"{subject.name} takes no {batch} images of {args.size} pixels: left out")
    if not found:
        raise UserError("nothing was measured: --size and --batch-sizes as the files have them")
    return found


def usable_cores() -> int:
    """Cores that this process may use."""
    import os

    tell: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(tell(0)) if tell else os.cpu_count() or 1
