"""The long run: `python -m tests.soak --iterations 2000 --disturbances 40`."""

import argparse
import sys
import tempfile
from pathlib import Path

import torch

from tests.soak.run import soak


def main():
    """Print a table; 1 if anything is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--disturbances", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="loading processes")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        result = soak(Path(folder), args.iterations, args.disturbances, args.seed, args.workers)
    print(f"{args.iterations} iterations, seed {args.seed}\n\n| what | how often |\n| --- | --- |")
    for kind, count in sorted(result.disturbances.items()):
        print(f"| {kind} | {count} |")
    print(f"| differences at the end, and other problems | {len(result.problems)} |")
    print("\n| held by the undisturbed run | early | late |\n| --- | --- | --- |")
    for name, (early, late) in result.held.items():
        print(f"| {name}{' (MiB)' if name == 'memory' else ''} | {early:.0f} | {late:.0f} |")
    print(*result.problems, sep="\n")
    return int(bool(result.problems))


if __name__ == "__main__":
    sys.exit(main())
