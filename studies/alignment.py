"""DINO, AlignDETR and others at equal budget: trains, evaluates and writes docs/study.md.

    python -m studies.alignment photographs --data BCCD --processes 2
    python -m studies.alignment shapes --arms dino align-k2 --seeds 0 1
    python -m studies.alignment

Rows of studies/results are not trained again unless their config has changed, interrupted runs go
on, and a run that another process trains is left to it. Without a study the page is rewritten from
the committed rows.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from aligndetr.errors import UserError
from studies import page
from studies.page import Row
from studies.plan import STUDIES, TUNING_SEED, Arm, Job, Study, best_rate, digest, run_config
from studies.report import write_report
from studies.training import exit_code, run

ROOT = Path(__file__).parent.parent
TASKS = ("bbox", "alignment", "analysis")


class Experiment:
    """The runs of a study.

    Args:
        study: what to run.
        data: path of the data set, if the study has it from there.
        work: folder of all runs.
        results: file of the rows.
    """

    def __init__(self, study: Study, data: Path | None, work: Path, results: Path) -> None:
        self.study = study
        self.data = data
        self.work = work
        self.results = results

    def tune(self, arms: Sequence[Arm]) -> None:
        """Train every arm with every rate for a shorter time; those of other processes end, too."""
        jobs = [Job(arm, rate, TUNING_SEED, True) for arm in arms for rate in self.study.rates]
        self._train(jobs, wait=False)
        self._train(jobs, wait=True)

    def train(self, arms: Sequence[Arm], seeds: Iterable[int]) -> None:
        """Train the reported runs, seed by seed, but those that another process trains."""
        rates = {arm.name: best_rate(page.read_rows(self.results), arm.name) for arm in arms}
        jobs = [Job(arm, rates[arm.name], seed) for seed in seeds for arm in arms]
        self._train(jobs, wait=False)

    def _train(self, jobs: Iterable[Job], wait: bool) -> None:
        for job in jobs:
            folder = self.work / job.folder
            with page.held(folder, wait) as mine:
                config = run_config(self.study, job, self.data)
                head = _head(job, digest(config))
                if mine and not page.has_row(self.results, **head):
                    row = head | measured(run(config, folder))
                    page.note(self.results, row, with_row)


def measured(found: dict[str, Any]) -> Row:
    """`bbox/AP` and so on, without those of single classes and without the ones that are NaN."""
    metrics = {
        f"{task}/{name}": value
        for task in TASKS
        for name, value in found["results"][task].items()
        if "-" not in name and value == value
    }
    return {"cpu_seconds": found["cpu_seconds"], "metrics": metrics}


def _head(job: Job, config: str) -> Row:
    arm = job.arm.name
    return {"arm": arm, "tuning": job.tuning, "seed": job.seed, "rate": job.rate, "config": config}


def with_row(rows: list[Row], row: Row) -> list[Row]:
    """The rows with a new one, arm by arm; it replaces its like."""
    names = [arm.name for study in STUDIES.values() for arm in study.arms]
    return page.with_row(rows, row, names, "arm", "tuning", "seed", "rate")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("study", nargs="?", choices=list(STUDIES), help="what to train; none: only the page")
    add("--data", type=Path, metavar="DIR", help="of photographs, with train, val and test")
    add("--work", type=Path, default=Path("output/study"), help="folder of the runs")
    add("--arms", nargs="+", metavar="NAME", help="train only these")
    add("--seeds", nargs="+", type=int, metavar="N", help="train only these, or more than planned")
    add("--processes", type=int, default=1, metavar="N", help="that train at a time, a thread each")
    add("--results", type=Path, default=ROOT / "studies/results", help="folder of the numbers")
    add("--docs", type=Path, default=ROOT / "docs", help="folder of the page")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, evaluate, write."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    args = parse(words)
    torch.set_num_threads(1)
    return exit_code(lambda: _all(args, words))


def _all(args: argparse.Namespace, words: Sequence[str]) -> None:
    if args.study is not None:
        arms = chosen_arms(STUDIES[args.study], args.arms)
        if args.processes > 1:
            run_processes(args.processes, words)
        else:
            train_all(STUDIES[args.study], arms, args)
    write_report(args.results, args.docs)
    print(args.docs / "study.md")


def chosen_arms(study: Study, names: Sequence[str] | None) -> list[Arm]:
    """Those of these names, or all."""
    known = {arm.name: arm for arm in study.arms}
    for name in names or ():
        if name not in known:
            raise UserError(f"{name}: choose among {', '.join(known)}")
    return [known[name] for name in names or known]


def train_all(study: Study, arms: Sequence[Arm], args: argparse.Namespace) -> None:
    """Everything that is missing; each row lands in the file when its run ends."""
    if study.name == "photographs" and args.data is None:
        raise UserError("photographs: say where they lie by --data DIR")
    results = args.results / f"{study.name}.json"
    experiment = Experiment(study, args.data, args.work / study.name, results)
    experiment.tune(arms)
    experiment.train(arms, args.seeds or study.seeds)


def run_processes(count: int, words: Sequence[str]) -> None:
    """This command several times at once.

    Raises:
        UserError: one failed, or this process was told to end: then all of them save and end.
    """
    command = [sys.executable, "-m", "studies.alignment", *words, "--processes", "1"]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = {"cwd": ROOT, "start_new_session": True}  # an interruption reaches them once, by us
    children = [subprocess.Popen(command, **options) for _ in range(count)]
    try:
        codes = [child.wait() for child in children]
    except KeyboardInterrupt:
        for child in children:
            child.terminate()
        codes = [child.wait() for child in children]
        raise UserError("interrupted; the same command goes on from there") from None
    if any(codes):
        raise UserError(f"of {count} processes one ended with {max(codes)}: see above")


if __name__ == "__main__":
    sys.exit(main())
