"""Files in the cache of the Hugging Face hub, which names large ones by their SHA-256."""

from __future__ import annotations

import re
from pathlib import Path

from aligndetr.files import sha256_of


def remove_damaged(path: Path) -> bool:
    """Remove a file whose content is not what the hub has, so that it is fetched anew.

    Args:
        path: as the hub's library gives it: a link to a file that is called by its hash. Small
            files are called by another kind of hash, and are not looked at.

    Returns:
        Whether it was damaged.
    """
    stored = path.resolve()
    if not re.fullmatch("[0-9a-f]{64}", stored.name) or sha256_of(stored) == stored.name:
        return False
    stored.unlink()
    path.unlink(missing_ok=True)
    return True
