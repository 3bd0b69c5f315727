"""What a run leaves at its end: numbers, pictures, curves, and a line that says where."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from omegaconf import DictConfig

from aligndetr.engine.checkpoint import last_checkpoint
from aligndetr.engine.evaluating import Evaluation
from aligndetr.engine.final_report import write_report
from aligndetr.errors import DataError
from aligndetr.evaluation import Results
from aligndetr.evaluation.run_files import BEST_WEIGHTS, LOG_FILE, METRICS_FILE, RESULTS_FILE
from aligndetr.files import atomic_write

logger = logging.getLogger(__name__)

CURVES_FILE, PICTURES_FOLDER = "curves.png", "pictures"


def write_training(
    folder: Path, results: Results, evaluation: Evaluation | None, config: DictConfig
) -> None:
    """Write what is left to write of a training, and print where everything is."""
    write_numbers(folder, results)
    places = {
        "checkpoint": last_checkpoint(folder),
        "log": folder / LOG_FILE,
        "best checkpoint": folder / BEST_WEIGHTS,
        "pictures": evaluation.draw(folder / PICTURES_FOLDER) if evaluation else None,
        "curves": _draw_curves(folder),
        "report": write_report(folder, config, evaluation),
    }
    for name, path in places.items():
        if path is not None and path.exists():
            print(f"{name + ':':<17}{path}")
    print_last_line(results, folder)


def write_numbers(folder: Path, results: Results) -> None:
    """All of them, as `results.json`."""
    with atomic_write(folder / RESULTS_FILE) as file:
        json.dump(results, file, indent=1)


def print_last_line(results: Results, folder: Path) -> None:
    """The most important numbers and where all are: `bbox AP 71.3 AP50 88.0 -> output/run`."""
    parts = [
        f"{task} " + " ".join(f"{n} {metrics[n]:.1f}" for n in ("AP", "AP50") if n in metrics)
        for task, metrics in results.items()
        if "AP" in metrics and "/" not in task  # other weights than the chosen ones have a "/"
    ]
    print(f"{' '.join(parts) or 'nothing was evaluated'} -> {folder}", flush=True)


def _draw_curves(folder: Path) -> Path | None:
    from aligndetr.visualization import plot_metrics

    try:
        plot_metrics(folder / METRICS_FILE, folder / CURVES_FILE)
    except DataError as error:
        logger.warning("no curves: %s", error)
        return None
    return folder / CURVES_FILE
