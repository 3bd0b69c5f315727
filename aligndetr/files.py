"""Files that are written whole or not at all: those of the runtime, for the rest of the package."""

from aligndetr.runtime.files import (
    UNFINISHED,
    append_line,
    atomic_write,
    check_regular,
    reason_and_remedy,
    remove_unfinished,
    sha256_of,
    writing,
)
