"""How cost grows with pixels and with the batch.

python -m benchmarks.scaling --threads 2
"""

from __future__ import annotations

import argparse
from typing import Any

import torch

from aligndetr.benchmark.measure import alternate, describe_machine
from aligndetr.engine.cpu_allocator import tune_allocator
from benchmarks.measure import summarise, write_json
from benchmarks.workload import evaluation, make_batch, make_model, training


def measure_pixels(name: str, sides: list[int], repeats: int) -> list[dict[str, Any]]:
    """Evaluation of one image at growing sides; the first is the baseline."""
    model = make_model(name)
    runs = {f"{side} px": evaluation(model, make_batch(1, side)) for side in sides}
    return summarise(alternate(runs, repeats), f"{sides[0]} px")


def measure_batches(name: str, side: int, sizes: list[int], repeats: int) -> list[dict[str, Any]]:
    """A training step with growing batches; the first is the baseline."""
    model = make_model(name)
    runs = {f"batch {size}": training(model, make_batch(size, side)) for size in sizes}
    return summarise(alternate(runs, repeats), f"batch {sizes[0]}")


def print_rows(title: str, rows: list[dict[str, Any]]) -> None:
    """One line a size."""
    print(f"\n{title}")
    for row in rows:
        seconds, growth = row["median_ms"] / 1e3, 1 / row["speedup"]
        print(f"  {row['name']:12}{seconds:8.2f}s  {growth:6.2f}x the first")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="the tiny model, seconds")
    parser.add_argument("--output", default="benchmarks/results/scaling.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(describe_machine())
    tune_allocator(frugal=False)  # as a training does
    name, sides, side = ("tiny", [64, 128], 64) if args.quick else ("r50", [640, 1280], 256)
    sizes = [1, 2] if args.quick else [2, 16]
    results = {"pixels": measure_pixels(name, sides, args.repeats)}
    print_rows("evaluation of one image", results["pixels"])
    results["batch"] = measure_batches(name, side, sizes, args.repeats)
    print_rows(f"training step at {side} px", results["batch"])
    write_json(args.output, results)


if __name__ == "__main__":
    main()
