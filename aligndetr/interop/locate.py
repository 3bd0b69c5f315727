"""Where checkpoints come from: local files, URLs and detectron2's model zoo names."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from aligndetr.errors import CheckpointError

DETECTRON2_PREFIX = "detectron2://"
DETECTRON2_URL = "https://dl.fbaipublicfiles.com/detectron2/"


@lru_cache(maxsize=1)
def _path_manager():
    from iopath.common.file_io import HTTPURLHandler, PathManager

    manager = PathManager()
    manager.register_handler(HTTPURLHandler())
    return manager


def local_checkpoint(path: str | Path) -> Path:
    """Return a local file for a path, a URL (fetched once, then cached) or `detectron2://` name.

    Raises:
        CheckpointError: there is no such file, or it cannot be fetched.
    """
    name = str(path)
    if name.startswith(DETECTRON2_PREFIX):
        name = DETECTRON2_URL + name.removeprefix(DETECTRON2_PREFIX)
    if name.startswith(("http://", "https://")):
        return _fetch(name, str(path))
    if not Path(name).is_file():
        raise CheckpointError(f"no checkpoint at {name}: there is no such file")
    return Path(name)


def _fetch(url: str, name: str) -> Path:
    try:
        return Path(_path_manager().get_local_path(url))
    except Exception as error:  # whatever the network library raises
        raise CheckpointError(
            f"cannot fetch {name}: {error}. Download {url} where there is a connection and give "
            "the local file instead"
        ) from error
