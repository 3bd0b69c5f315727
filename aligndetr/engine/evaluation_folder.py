"""The folder of an evaluation: one of its own, so that nothing that is there is overwritten."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from aligndetr.checkpoint_file.sharded import is_sharded
from aligndetr.distributed import is_main, on_main
from aligndetr.engine.earlier_runs import KEY, first_unused
from aligndetr.engine.run_folder import held, make_run_folder
from aligndetr.evaluation.run_files import LOCK_FILE

MOST_NAME = 100  # file systems allow 255

logger = logging.getLogger(__name__)


@contextmanager
def folder_of_evaluation(
    config: DictConfig,
    checkpoint: str | os.PathLike,
    data: str,
    inside: str | os.PathLike | None = None,
) -> Generator[Path]:
    """A folder that holds nothing of a run or another evaluation, and that nobody else uses.

    Where nothing was written when the block fails, nothing is left of it.

    Args:
        config: of the evaluation; `train.output_dir` becomes the folder.
        checkpoint: that is evaluated.
        data: name of the dataset.
        inside: where `eval-<data>` is made. None: `train.output_dir` is meant for the evaluation,
            unless the checkpoint lies there: then `eval-<data>` is made in it.

    Raises:
        UserError: the folder cannot be written to.
    """
    stated = Path(OmegaConf.select(config, KEY))
    if inside is None and _are_same(folder_of_checkpoint(checkpoint), stated):
        inside = stated
    name = re.sub(r"[^\w.+-]", "_", data)[:MOST_NAME]
    wanted = stated if inside is None else Path(inside) / f"eval-{name}"
    folder = on_main(lambda: first_unused(wanted))
    OmegaConf.update(config, KEY, str(folder))
    other = "" if folder == wanted else f" ({wanted} holds other results)"
    logger.info("evaluating %s on %s: results go to %s%s", checkpoint, data, folder, other)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    make_run_folder(folder)
    with held(folder):
        try:
            yield folder
        except BaseException:
            if is_main():
                _remove_unused(folder, made)
            raise


def folder_of_checkpoint(checkpoint: str | os.PathLike) -> Path | None:
    """Where a training left a checkpoint; None for what comes from elsewhere or is published."""
    is_ours = os.path.isfile(checkpoint) or is_sharded(checkpoint)
    return Path(checkpoint).parent if is_ours and os.path.exists(checkpoint) else None


def _are_same(first: Path | None, second: Path) -> bool:
    try:
        return first is not None and first.samefile(second)
    except OSError:  # the second is not there
        return False


def _remove_unused(folder: Path, made: Sequence[Path]) -> None:
    """Remove a folder without files, and those above that were made for it."""
    with contextlib.suppress(OSError):  # others may have begun to use them
        if {path.name for path in folder.iterdir()} <= {LOCK_FILE}:
            (folder / LOCK_FILE).unlink(missing_ok=True)
            for path in made:
                path.rmdir()
