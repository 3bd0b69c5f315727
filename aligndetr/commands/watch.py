"""Follow a run: progress, time left, losses, AP of each class, memory, warnings.

    aligndetr watch output/run
    aligndetr watch output/run --port 8000

draws it again every two seconds until the run ends or Ctrl-C; the training
does not notice. In a pipe it is printed once. A run that has not begun is
waited for. `--port` serves the run's report to browsers of this machine, as it
is when they ask, until Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import textwrap
import time
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aligndetr.engine.run_status import RunFollower, RunStatus
    from aligndetr.evaluation.runs import ListedRun

WIDTH, BAR = 80, 30
MOST_CLASSES, MOST_WARNINGS = 100, 5
REFRESH, ROUNDS = 60.0, 50  # seconds; draws of the intervals, fewer than the report's for speed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("folder", metavar="RUN", help="its folder, which need not be there yet")
    add("--port", type=int, metavar="N", help="also serve the report; 0 takes a free port")
    add("--interval", type=float, default=2.0, metavar="S", help="seconds (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Show the run until it ends, or once.

    Raises:
        UserError: there is no such folder, and nobody who would wait for it.
    """
    from aligndetr.engine.run_status import RunFollower
    from aligndetr.errors import UserError

    follower, interval = RunFollower(args.folder), max(0.1, args.interval)
    live = sys.stdout.isatty()
    if not live and not follower.folder.is_dir():
        raise UserError(f"{args.folder}: no such folder, so no run has begun there")
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.suppress(KeyboardInterrupt))  # how one leaves
        if args.port is not None:
            print(f"report: {stack.enter_context(_served(args.folder, args.port))}", flush=True)
        if live:
            _follow(follower, interval)
        else:
            print("\n".join(describe(follower.status())), flush=True)
        while args.port is not None:  # the report of a run that has ended is worth reading, too
            time.sleep(interval)
    return 0


def _served(folder: str, port: int) -> contextlib.AbstractContextManager[str]:
    """The run's report for browsers; made again when they ask and the run has gone on."""
    from aligndetr.engine.run_status import RUNNING, RunFollower
    from aligndetr.interop import enable_foreign_configs
    from aligndetr.report import reported_run, run_page
    from aligndetr.visualization.page_server import served_page

    enable_foreign_configs()
    follower, made = RunFollower(folder), {}

    def render() -> str:
        status = follower.status()
        if made.get("of") is not status:
            made["page"] = run_page(reported_run(follower.folder, rounds=ROUNDS))
            made["of"] = status
        return made["page"]

    def refresh() -> float | None:
        return REFRESH if follower.status().state == RUNNING else None

    return served_page(render, port, refresh)


def _follow(follower: RunFollower, interval: float) -> None:
    """Redraw in place; what is left in the terminal is the last state."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from aligndetr.engine.run_status import ENDED

    with Live(console=Console(), auto_refresh=False) as live:
        while True:
            status = follower.status()
            live.update(Text("\n".join(describe(status)), no_wrap=True), refresh=True)
            if status.state in ENDED:
                return
            time.sleep(interval)


def describe(status: RunStatus) -> list[str]:
    """Lines of at most 80 columns."""
    if status.run is None or not status.run.metrics:
        return [*_wrapped(_sentence(status)), *_warnings(status)]
    return [
        *_wrapped(_sentence(status)),
        _progress(status, status.run),
        *_numbers(status),
        *_boxes(status, status.run),
        *_warnings(status),
    ]


def _sentence(status: RunStatus) -> str:
    """What the run is doing."""
    from aligndetr.engine import run_status as states
    from aligndetr.evaluation.run_files import CONFIG_FILE

    ago = f"{timedelta(seconds=round(status.age))} ago"
    config = status.folder / CONFIG_FILE
    go_on = f"; aligndetr train {config} --resume goes on" if config.is_file() else ""
    return (
        f"{status.folder}: "
        + {
            states.NOT_BEGUN: "not begun; nothing is there yet",
            states.STARTING: "begun; nothing is recorded yet",
            states.RUNNING: f"training, written {ago}",
            states.FINISHED: f"finished, {ago}",
            states.STOPPED: f"{status.reason} {ago}{go_on}",
            states.DEAD: (
                "dead: no process of this machine trains there, and the log does not say why it "
                f"ended, {ago}{go_on}"
            ),
        }[status.state]
    )


def _progress(status: RunStatus, run: ListedRun) -> str:
    """A bar, iterations, and the time left, as it was told less what has passed since."""
    from aligndetr.engine.run_status import RUNNING
    from aligndetr.engine.writers.summary import time_left

    done, planned = run.iterations, run.planned
    parts = [f"iter {done}/{planned or '?'}"]
    if planned:
        share = min(1.0, done / planned)
        parts.insert(0, "━" * round(share * BAR) + "┄" * (BAR - round(share * BAR)))
        parts.append(f"{100 * share:.0f} %")
    values = _last_line(status)
    if status.state == RUNNING and values.get("eta_seconds"):
        left = max(1.0, values["eta_seconds"] - status.age)
        parts.append(time_left({**values, "eta_seconds": left}))
    return "  ".join(parts)


def _last_line(status: RunStatus) -> dict[str, float]:
    """What was recorded with the last iteration."""
    latest = status.latest
    last = max(at for _, at in latest.values())
    return {name: value for name, (value, at) in latest.items() if at == last}


def _numbers(status: RunStatus) -> list[str]:
    from aligndetr.engine.writers.summary import laid_out, losses, speed_and_memory

    values = {name: value for name, (value, _) in status.latest.items()}
    return laid_out([losses(_last_line(status)), *speed_and_memory(values)])


def _boxes(status: RunStatus, run: ListedRun) -> list[str]:
    """The last evaluation, the classes with the lowest AP if there are too many."""
    from aligndetr.evaluation.report import results_table

    latest = {n: pair for n, pair in status.latest.items() if n.startswith("bbox/")}
    if not latest:
        return ["", "not evaluated yet"]
    at = max(iteration for _, iteration in latest.values())
    numbers = {n.removeprefix("bbox/"): value for n, (value, i) in latest.items() if i == at}
    classes = sorted((n for n in numbers if n.startswith("AP-")), key=numbers.__getitem__)
    hidden = set(classes[MOST_CLASSES:])
    title = f"Boxes as written at iteration {at + 1}"
    best = run.value("best")
    title += "" if best is None else f", best AP so far {best:.1f}"
    title += f"; the {MOST_CLASSES} worst of {len(classes)} classes" if hidden else ""
    shown = {name: value for name, value in numbers.items() if name not in hidden}
    return ["", *_wrapped(title), *results_table(shown, title).splitlines()[1:]]


def _warnings(status: RunStatus) -> list[str]:
    found = status.warnings[-MOST_WARNINGS:]
    if not found:
        return []
    more = f", the last {len(found)} of {len(status.warnings)}"
    title = f"Warnings{more if len(status.warnings) > len(found) else ''}"
    return ["", title, *(line for text in found for line in _wrapped(text, "  "))]


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
