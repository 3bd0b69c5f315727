"""A detector in a folder, as the Hugging Face hub keeps models: nothing in it is run.

model.safetensors   weights, under our names
config.yaml         the config of the training, as text: data, see docs/configs.md
config.json         what else a checkpoint says; its entries:
    library_name       "aligndetr"
    schema             1; a reader refuses a later one
    version            of aligndetr that wrote it
    class_names        by class index, or null
    iteration          index of the last training step, or null
    operating_point    see `aligndetr.engine.operating_point`, or null
    sha256             of the two files above, by name
README.md           the model card, for people
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aligndetr.checkpoint_file.safetensors_file import read_safetensors
from aligndetr.errors import CheckpointError
from aligndetr.files import check_regular, sha256_of

WEIGHTS, CONFIG, ABOUT, CARD = "model.safetensors", "config.yaml", "config.json", "README.md"
LIBRARY, SCHEMA = "aligndetr", 1
MOST_BYTES = 10**7  # of config.json and config.yaml


def is_pretrained(folder: Path) -> bool:
    """Whether a folder holds a detector of ours, damaged or not."""
    if not (folder / ABOUT).is_file():
        return False
    try:
        return _about(folder).get("library_name") == LIBRARY
    except CheckpointError:
        return False


def read_pretrained(folder: Path) -> dict[str, Any]:
    """The content of a folder, as a checkpoint of ours would hold it.

    Returns:
        `model`, `class_names`, `config` and `operating_point`, `iteration` if there is one.

    Raises:
        CheckpointError: it is no such folder, a file is missing, damaged, or of a later version.
    """
    about = _about(folder)
    if about.get("library_name") != LIBRARY:
        raise CheckpointError(
            f"its {ABOUT} is not ours; of a detector that another library wrote, give the file "
            "with its weights"
        )
    if type(about.get("schema")) is not int or about["schema"] > SCHEMA:
        raise CheckpointError(
            f"it was written by another aligndetr ({about.get('version')}, schema "
            f"{about.get('schema')}, here {SCHEMA}): update this one"
        )
    _check_hashes(folder, about)
    content = {name: about.get(name) for name in ("class_names", "operating_point", "iteration")}
    present = {name: value for name, value in content.items() if value is not None}
    text = (folder / CONFIG).read_text(encoding="utf-8")
    return {"model": read_safetensors(folder / WEIGHTS), "config": text, **present}


def _about(folder: Path) -> Mapping[str, Any]:
    text = _small(folder, ABOUT).read_text(encoding="utf-8")
    try:
        about = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"its {ABOUT} is damaged: {error}") from error
    if not isinstance(about, dict):
        raise CheckpointError(f"its {ABOUT} is damaged: it is a {type(about).__name__}")
    return about


def _check_hashes(folder: Path, about: Mapping[str, Any]) -> None:
    _small(folder, CONFIG)
    hashes = about.get("sha256")
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise CheckpointError(f"it holds no {name}")
        if not isinstance(hashes, dict) or sha256_of(folder / name) != hashes.get(name):
            raise CheckpointError(
                f"its {name} is damaged: it does not have the SHA-256 that {ABOUT} states. Copy "
                "or fetch the folder anew"
            )


def _small(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise CheckpointError(f"it is a folder without {name}: not one of `save_pretrained`")
    check_regular(path)
    if path.stat().st_size > MOST_BYTES:
        raise CheckpointError(f"its {name} has {path.stat().st_size} bytes, far too many")
    return path
