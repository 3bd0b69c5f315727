"""What may stand for a checkpoint besides a file: URLs and names that lead to one."""

from __future__ import annotations

import os
from pathlib import Path

from aligndetr.interop import zoo
from aligndetr.interop.download import fetch
from aligndetr.interop.huggingface import hub_folder, is_hub_name

DETECTRON2_PREFIX = "detectron2://"
DETECTRON2_URL = "https://dl.fbaipublicfiles.com/detectron2/"


def local_checkpoint(path: str | os.PathLike) -> Path:
    """The local file or folder that a name stands for; whatever lies elsewhere is fetched once.

    Args:
        path: local path; URL, see `fetch`; `zoo:NAME`, see `aligndetr zoo`; `detectron2://NAME`;
            `huggingface://ORG/NAME[@REVISION]`.

    Raises:
        CheckpointError: there is no such name, or it cannot be fetched.
        UserError: it cannot be written.
    """
    name = str(path)
    if is_hub_name(name):
        return hub_folder(name)
    if zoo.is_zoo_name(name):
        name = zoo.url_of(name)
    elif name.startswith(DETECTRON2_PREFIX):
        name = DETECTRON2_URL + name.removeprefix(DETECTRON2_PREFIX)
    return fetch(name) if name.startswith(("http://", "https://")) else Path(name)
