"""Where a config says that its data lie, if they do not."""

from __future__ import annotations

import os
from dataclasses import dataclass

from omegaconf import DictConfig, OmegaConf

KEYS = ("path", "json_file", "image_root")


@dataclass(frozen=True)
class MissingPlace:
    """A file or folder of a dataset that is not there.

    Attributes:
        key: of the config.
        value: what it says.
    """

    key: str
    value: str

    def explain(self, source: str | None, remedy: str) -> str:
        """The rest of a sentence that says that something does not exist; or nothing.

        Args:
            source: of the value, such as a file's name, where that may surprise.
            remedy: what to do.
        """
        reasons = [f"comes from {source}"] if source else []
        if not os.path.isabs(os.path.expanduser(self.value)):
            reasons.append(f"is relative to the folder of the command, here {os.getcwd()}")
        told = f"; {self.key}={self.value} {' and '.join(reasons)}: {remedy}"
        return told if reasons else ""


def missing_place(config: DictConfig, node: str) -> MissingPlace | None:
    """The first place of a dataset's data that is not there.

    Args:
        config: of an experiment.
        node: key of the dataset in it.
    """
    for name in KEYS:
        key = f"{node}.{name}"
        value = OmegaConf.select(config, key, throw_on_resolution_failure=False)
        is_local = isinstance(value, str) and value and "://" not in value
        if is_local and not os.path.exists(os.path.expanduser(value)):
            return MissingPlace(key, value)
    return None
