"""What earlier runs left where another is to write: never destroyed unless it is said."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from aligndetr.distributed import on_main
from aligndetr.engine.launcher import launch_id, may_be_used_again
from aligndetr.engine.run_folder import (
    LOG_OF_PROCESS,
    held,
    launcher_of,
    logging_to,
    make_run_folder,
)
from aligndetr.errors import UserError
from aligndetr.evaluation.coco import PREDICTIONS_FILE
from aligndetr.evaluation.data_record import record_path
from aligndetr.evaluation.run_files import (
    ENVIRONMENT_FILE,
    FINAL_WEIGHTS,
    METRICS_FILE,
    RESULTS_FILE,
    is_held,
)
from aligndetr.report import REPORT_FILE

logger = logging.getLogger(__name__)

KEY = "train.output_dir"
# a folder with one of them is used
_KEPT = (METRICS_FILE, "model_*.pth", "model_*.dcp/rest.pth", RESULTS_FILE, PREDICTIONS_FILE)
_WRITTEN = (  # what --overwrite removes; config.yaml and log.txt are written anew
    *_KEPT,
    str(record_path(Path(PREDICTIONS_FILE))),
    "curves.png",
    ENVIRONMENT_FILE,
    "events.out.tfevents.*",
    "last_checkpoint",
    LOG_OF_PROCESS.format("*"),
    "nonfinite_*.pth",
    "pictures/image_*.png",
    "pictures/predictions.png",
    REPORT_FILE,
)


@contextmanager
def folder_of_run(config: DictConfig, resume: bool, overwrite: bool) -> Generator[Path]:
    """The folder of a training, which no other one uses meanwhile, and whose log is written there.

    Args:
        config: of the run; `train.output_dir` becomes the folder.
        resume, overwrite: see `choose_run_folder`.
    """
    folder, note = choose_run_folder(config, resume, overwrite)
    with held(folder), logging_to(folder, fresh=overwrite):
        if note:
            logger.info("%s", note)
        yield folder


def choose_run_folder(
    config: DictConfig, resume: bool = False, overwrite: bool = False
) -> tuple[Path, str | None]:
    """The folder of a training: `train.output_dir`, or NAME-2, NAME-3, ... if that is used.

    All processes get the folder that the main one chose. It is made.

    Args:
        config: of the run; `train.output_dir` becomes the folder.
        resume, overwrite: take a used folder nevertheless.

    Returns:
        The folder, and a sentence to say if it is not, or might not be, the expected one.

    Raises:
        UserError: both are asked for, or the folder cannot be written to.
    """
    if resume and overwrite:
        raise UserError("--resume goes on with a run and --overwrite removes it: choose one")
    stated = Path(OmegaConf.select(config, KEY))
    if resume or overwrite:
        folder, note = stated, on_main(lambda: _later_runs(stated)) if resume else None
    else:
        folder = on_main(lambda: first_unused(stated))
        note = None if folder == stated else _elsewhere(stated, folder)
    if folder != stated:
        OmegaConf.update(config, KEY, str(folder))
    return make_run_folder(folder), note


def first_unused(stated: Path) -> Path:
    """That folder, or NAME-2, NAME-3, ... if it holds results or a training uses it."""
    return next(path for path in _names(stated) if not _is_used(path))


def with_restarts(config: DictConfig, resume: bool, overwrite: bool) -> tuple[bool, bool]:
    """(resume, overwrite), where a launcher that starts its training again resumes it.

    All processes must call it.

    Args:
        config: of the run; `train.output_dir` becomes the folder of the training that the launcher
            of these processes began, if there is one.
        resume, overwrite: what was asked for; the second is for a first start.
    """
    own = launch_id()
    if resume or own is None:
        return resume, overwrite
    stated = Path(OmegaConf.select(config, KEY))
    begun = on_main(lambda: next(_begun_by(own, stated), None))
    if begun is None:
        return resume, overwrite
    OmegaConf.update(config, KEY, str(begun))
    return True, False


def remove_earlier_run(folder: Path) -> None:
    """Remove what a training wrote there, but for its config and log."""
    for path in _files(folder, _WRITTEN):
        path.unlink(missing_ok=True)
    for path in folder.glob("model_*.dcp"):
        shutil.rmtree(path)


def _is_used(folder: Path) -> bool:
    return any(_files(folder, _KEPT)) or is_held(folder)


def _begun_by(launch: str, stated: Path) -> Iterator[Path]:
    for folder in itertools.takewhile(Path.is_dir, _names(stated)):
        finished = (folder / FINAL_WEIGHTS).is_file()
        if launcher_of(folder) == launch and not (finished and may_be_used_again()):
            yield folder


def _files(folder: Path, patterns: Iterable[str]) -> list[Path]:
    return [path for pattern in patterns for path in folder.glob(pattern) if path.is_file()]


def _names(stated: Path) -> Iterator[Path]:
    yield stated
    base = stated.resolve() if stated.name in ("", os.pardir) else stated
    for number in itertools.count(2):
        yield base.with_name(f"{base.name}-{number}")


def _elsewhere(stated: Path, folder: Path) -> str:
    return (
        f"{stated} holds another run: this one goes to {folder} (--resume goes on with the other "
        "one, --overwrite replaces it)"
    )


def _later_runs(stated: Path) -> str | None:
    later = list(itertools.takewhile(_is_used, itertools.islice(_names(stated), 1, None)))
    if not later:
        return None
    return f"going on with {stated}; for the newest run: --resume {KEY}={later[-1]}"
