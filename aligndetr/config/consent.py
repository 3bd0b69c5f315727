"""Which configs this user has trained with: kept beside the user's settings, never in a run folder.

A folder copied from elsewhere brings its config along, but not this note, which is filed under the
SHA-256 of all that the config says.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from aligndetr.config.nodes import to_plain
from aligndetr.config.yaml_file import yaml_text
from aligndetr.files import atomic_write


def remember(config: object, folder: str | os.PathLike) -> None:
    """Note that the user ran this config, whose run is in `folder`.

    Raises:
        UserError: the note cannot be written.
    """
    with atomic_write(_note(config)) as file:
        file.write(f"{Path(folder).resolve()}\n")


def is_remembered(config: object) -> bool:
    """Whether the user ran a config that says the same."""
    try:
        return _note(config).is_file()
    except (OSError, RuntimeError):  # no home folder, or none that can be read
        return False


def _note(config: object) -> Path:
    text = yaml_text(to_plain(config))
    return _settings_folder() / "trusted_configs" / hashlib.sha256(text.encode()).hexdigest()


def _settings_folder() -> Path:
    given = os.environ.get("XDG_CONFIG_HOME", "")
    # a relative one would lie in whatever folder a command is run in
    home = Path(given) if os.path.isabs(given) else Path.home() / ".config"
    return home / "aligndetr"
