"""DINO and AlignDETR on the harder demo set: trains, evaluates and writes docs/study.md.

    python -m studies.alignment

Runs that are finished are read, interrupted ones go on. Without `--arms` and `--seeds` everything
is trained; with them only a part, and the page shows what is there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from aligndetr.errors import UserError
from benchmarks.measure import write_json
from studies.plan import SMOKE, Arm, Study, run_config, start_config
from studies.report import write_report
from studies.training import exit_code, finished, run

ROOT = Path(__file__).parent.parent
RESULTS = "alignment.json"
TASKS = ("bbox", "alignment")


class Experiment:
    """The runs of a study in one folder.

    Args:
        study: what to run.
        work: folder of all runs.
        start: a finished `dino_tiny`; None trains it in `work/start`.
    """

    def __init__(self, study: Study, work: Path, start: Path | None = None) -> None:
        self.study = study
        self.work = work
        self.start = start

    def pretrain(self) -> None:
        """Train what the backbones start from, unless it was given."""
        if self.start is None:
            run(start_config(self.study), self.work / "start")
            self.start = self.work / "start" / "model_final.pth"

    def tune(self, losses: Collection[str]) -> None:
        """Train the tuned arm of each loss with every rate for a shorter time."""
        for arm in map(self.study.arm, self.study.tuned):
            for rate in self.study.rates if arm.loss in losses else ():
                config = run_config(self.study, arm, rate, self.study.tuning_seed, tuning=True)
                run(config, self._tuning_folder(arm, rate), self.start)

    def tuning(self) -> list[dict[str, Any]]:
        """AP on the tuning split, a row for each loss and rate."""
        rows = []
        for arm in map(self.study.arm, self.study.tuned):
            for rate in self.study.rates:
                found = finished(self._tuning_folder(arm, rate))
                if found is not None:
                    head = {"loss": arm.loss, "arm": arm.name, "rate": rate}
                    head["cpu_seconds"] = found["cpu_seconds"]
                    rows.append({**head, **_metrics(found)})
        return rows

    def best_rate(self, loss: str) -> float:
        """The rate with the highest AP; the lower one of equals."""
        rows = [row for row in self.tuning() if row["loss"] == loss]
        return max(rows, key=lambda row: (row["bbox/AP"], -row["rate"]))["rate"]

    def train(self, arms: Iterable[Arm], seeds: Sequence[int]) -> None:
        """Train the reported runs, seed by seed."""
        arms = list(arms)
        for seed in seeds:
            for arm in arms:
                rate = self.best_rate(arm.loss)
                config = run_config(self.study, arm, rate, seed, tuning=False)
                run(config, self._folder(arm, seed), self.start)

    def results(self) -> dict[str, Any]:
        """Numbers of all finished runs."""
        runs = []
        for arm in self.study.arms:
            for seed in self.study.seeds:
                found = finished(self._folder(arm, seed))
                if found is not None:
                    head = {"arm": arm.name, "seed": seed, "cpu_seconds": found["cpu_seconds"]}
                    runs.append({**head, "metrics": _metrics(found)})
        tuning = self.tuning()
        losses = dict.fromkeys(row["loss"] for row in tuning)
        return {
            "tuning": tuning,
            "rates": {loss: self.best_rate(loss) for loss in losses},
            "runs": runs,
        }

    def _folder(self, arm: Arm, seed: int) -> Path:
        return self.work / arm.name / f"seed{seed}"

    def _tuning_folder(self, arm: Arm, rate: float) -> Path:
        return self.work / "tuning" / f"{arm.name}_{rate:g}"


def _metrics(record: dict[str, Any]) -> dict[str, float]:
    """`bbox/AP` and so on, without those of single classes and without the ones that are NaN."""
    return {
        f"{task}/{name}": value
        for task in TASKS
        for name, value in record["results"][task].items()
        if "-" not in name and value == value
    }


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--work", type=Path, default=Path("output/study"), help="folder of the runs")
    add("--start", type=Path, help="model_final.pth of dino_tiny; default: it is trained first")
    add("--arms", nargs="+", metavar="NAME", help="train only these")
    add("--seeds", nargs="+", type=int, metavar="N", help="train only these, or more than planned")
    add("--smoke", action="store_true", help="a few steps on a few images: does everything run?")
    add("--report-only", action="store_true", help="rewrite the page from the committed results")
    add("--results", type=Path, default=ROOT / "studies/results", help="folder of the numbers")
    add("--docs", type=Path, default=ROOT / "docs", help="folder of the page")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, evaluate, write."""
    args = parse(arguments)
    study = SMOKE if args.smoke else Study()
    torch.set_num_threads(1)
    return exit_code(lambda: _all(study, args))


def _all(study: Study, args: argparse.Namespace) -> None:
    if not args.report_only:
        train_all(study, args)
    write_report(study, args.results / RESULTS, args.docs)
    print(args.docs / "study.md")


def train_all(study: Study, args: argparse.Namespace) -> None:
    """Everything that is missing; the numbers land in a file."""
    experiment = Experiment(study, args.work, args.start)
    arms = [arm for arm in study.arms if args.arms is None or arm.name in args.arms]
    if args.arms is not None and len(arms) < len(args.arms):
        raise UserError(f"--arms knows {', '.join(arm.name for arm in study.arms)}")
    experiment.pretrain()
    experiment.tune({arm.loss for arm in arms})
    experiment.train(arms, args.seeds or study.seeds)
    write_json(args.results / RESULTS, experiment.results())


if __name__ == "__main__":
    sys.exit(main())
