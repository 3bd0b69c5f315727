"""The one reader of checkpoint files, ours and foreign: nothing in a file is run."""

from aligndetr.checkpoint_file.reader import read_checkpoint_file, read_rest

__all__ = ["read_checkpoint_file", "read_rest"]
