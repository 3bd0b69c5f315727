"""Models of the Hugging Face hub as local folders: of one commit, compared with their hashes."""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType

from aligndetr.checkpoint_file.hub_cache import remove_damaged
from aligndetr.checkpoint_file.pretrained_folder import ABOUT, CONFIG, WEIGHTS, is_pretrained
from aligndetr.errors import CheckpointError, UserError
from aligndetr.files import reason_and_remedy

logger = logging.getLogger(__name__)

PREFIX = "huggingface://"
_NAME = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?", re.ASCII)
_NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)
_COMMIT = re.compile("[0-9a-f]{40}")


def is_hub_name(path: str | os.PathLike) -> bool:
    """Tell whether this names a model on the hub, or a folder as the hub's libraries write it."""
    return str(path).startswith(PREFIX)


def is_detector(path: str) -> bool:
    """Whether a hub name leads to a detector that `aligndetr.hub` wrote."""
    name = path.removeprefix(PREFIX)
    is_local = Path(name).is_dir() or _NAME.fullmatch(name) is None
    return is_pretrained(Path(name) if is_local else snapshot(name))


def hub_folder(path: str) -> Path:
    """The local folder for a hub name, which is a local folder or `org/name[@revision]`.

    Raises:
        CheckpointError: it is neither, or cannot be fetched; see `snapshot`.
    """
    name = path.removeprefix(PREFIX)
    if Path(name).is_dir():
        return Path(name)
    if _NAME.fullmatch(name) is None:
        raise CheckpointError(f"{path}: {name!r} is no folder, and no name such as org/name")
    return snapshot(name)


@cache  # a branch may move, but the config and the weights must be of the same commit
def snapshot(name: str) -> Path:
    """The files of a detector on the hub, fetched once and kept in the hub's own cache.

    Of a model that another library wrote only the description is fetched. Without a connection,
    what was fetched before is taken.

    Args:
        name: `org/name`, or `org/name@revision`: a branch, a tag or a commit.

    Raises:
        CheckpointError: there is no such model or revision, it may not be read, it cannot be
            fetched, or what came is not what the hub has.
        UserError: it cannot be written.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise CheckpointError(f"{name!r} is not org/name or org/name@revision")
    repository, revision = match["repository"], match["revision"]
    about = _fetch(repository, ABOUT, revision)
    if not is_pretrained(about.parent):
        return about.parent
    commit = about.parent.name
    for file in (CONFIG, WEIGHTS):
        if remove_damaged(_fetch(repository, file, commit)):
            raise CheckpointError(
                f"{name} on the hub: {file} is damaged: it has not the SHA-256 of the hub. It was "
                "removed; try again to fetch it anew"
            )
    if not _COMMIT.fullmatch(revision or ""):
        logger.info("to pin what came, write %s%s@%s", PREFIX, repository, commit)
    return about.parent


def library() -> ModuleType:
    """Import `huggingface_hub`.

    Raises:
        UserError: it is not installed.
    """
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as error:
        raise UserError(
            "the Hugging Face hub needs its library: pip install 'aligndetr[hub]'"
        ) from error
    return huggingface_hub


def _fetch(repository: str, file: str, revision: str | None) -> Path:
    hub = library()
    with hub_errors(repository, file, revision):
        return Path(hub.hf_hub_download(repository, file, revision=revision))


@contextmanager
def hub_errors(repository: str, file: str = "", revision: str | None = None) -> Generator[None]:
    """Inside of it the hub's library is called; its refusals become a sentence.

    Raises:
        CheckpointError: in place of an error of the library.
        UserError: a file cannot be written.
    """
    library()
    try:
        yield
    except Exception as error:  # of many kinds, which differ between versions of its own libraries
        if isinstance(error, OSError) and error.errno in _NOT_WRITTEN:
            raise UserError(f"cannot write {repository}: {reason_and_remedy(error)}") from error
        raise CheckpointError(_refusal(error, repository, file, revision)) from error


def _refusal(error: Exception, repository: str, file: str, revision: str | None) -> str:
    """What an error of the library means, the special kinds before those that hold them."""
    kinds = library().errors
    of_hub = f"{repository} on the hub"
    sentences = {
        kinds.GatedRepoError: (
            f"accept the terms on the page of {repository} first, then log in: hf auth login"
        ),
        kinds.RepositoryNotFoundError: (
            f"the hub has no model {repository}, or it is private: check the name, or log in: hf "
            "auth login"
        ),
        kinds.RevisionNotFoundError: f"{of_hub} has no revision {revision!r}",
        kinds.LocalEntryNotFoundError: (
            f"cannot reach the hub, and {repository} has not been fetched before: fetch it where "
            "there is a connection, and give the folder instead"
        ),
        kinds.EntryNotFoundError: f"{of_hub} holds no {file}",
        Exception: f"{of_hub}: {_first_line(error)}",
    }
    return next(text for kind, text in sentences.items() if isinstance(error, kind))


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
