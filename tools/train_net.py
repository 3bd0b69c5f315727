#!/usr/bin/env python
"""`aligndetr train` with the name and arguments that detectron2 users know.

    python tools/train_net.py --config-file aligndetr_tiny --num-gpus 2 \\
        train.max_iter=100 dataloader.train.total_batch_size=4

With `--eval-only` the weights are those of `train.init_checkpoint`.
"""

from __future__ import annotations

import argparse
import sys

from aligndetr.cli import guarded
from aligndetr.commands import train


def main(words: list[str] | None = None) -> int:
    """Read the command line and train or evaluate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    train.add_arguments(parser)
    args = parser.parse_intermixed_args(words)
    return guarded(lambda: train.run(args))


if __name__ == "__main__":
    sys.exit(main())
