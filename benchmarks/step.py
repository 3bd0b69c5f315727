"""A training step and an evaluation of AlignDETR-R50 against the published ways of computing them.

python -m benchmarks.step --threads 2
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from aligndetr.benchmark.measure import alternate, describe_machine
from aligndetr.engine.activation_checkpointing import recompute_activations
from aligndetr.engine.cpu_allocator import tune_allocator
from aligndetr.engine.memory import peak_bytes
from benchmarks.measure import summarise, write_json
from benchmarks.reference import reference_model
from benchmarks.workload import evaluation, make_batch, make_model, training

REFERENCE, FP32, BF16 = "published ways, fp32", "ours, fp32", "ours, bf16"
WAYS: dict[str, dict[str, bool]] = {  # label: how it differs from the plainest step
    REFERENCE: {"reference": True},
    FP32: {"frugal": False},
    BF16: {"frugal": False, "bf16": True},
    f"{FP32}, checkpointing": {"recompute": True, "frugal": True},
    f"{BF16}, checkpointing": {"recompute": True, "frugal": True, "bf16": True},
    f"{FP32}, glibc's own thresholds": {},
    f"{FP32}, checkpointing, glibc's own thresholds": {"recompute": True},
}
TIMED = (REFERENCE, FP32, BF16)
ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention
ATTENTION_BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_backward
FORMULAS = {  # PyTorch has formulas of attention for GPUs only
    **flop_registry,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: flop_registry[ATTENTION],
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: flop_registry[
        ATTENTION_BACKWARD
    ],
}
PRODUCT, PRODUCT_SIDE = "matrix product, fp32", 2048


class Worker:
    """A process of its own for one way of one phase, as its allocator is tuned for good.

    Args:
        arguments: of `python -m benchmarks.step` besides the way.
        label: a key of `WAYS`.
    """

    def __init__(self, arguments: list[str], label: str) -> None:
        command = [sys.executable, "-m", "benchmarks.step", *arguments, "--worker", label]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.last: dict[str, float] = {}

    def __call__(self) -> None:
        """Let it run once; `last` tells what it took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(file=self._process.stdin, flush=True)
        self.last = json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def serve(name: str, pixels: int, phase: str, label: str) -> None:
    """Be a worker: a run for every line that comes in, and a line of JSON for each."""
    run = prepare(name, pixels, phase, **WAYS[label])
    for _ in sys.stdin:
        before = resource.getrusage(resource.RUSAGE_SELF)
        run()
        after = resource.getrusage(resource.RUSAGE_SELF)
        found = {
            "peak_mib": peak_bytes(torch.device("cpu")) / 2**20,
            "user_s": after.ru_utime - before.ru_utime,
            "system_s": after.ru_stime - before.ru_stime,
        }
        print(json.dumps(found), flush=True)


def prepare(
    name: str,
    pixels: int,
    phase: str,
    reference: bool = False,
    bf16: bool = False,
    recompute: bool = False,
    frugal: bool | None = None,
) -> Callable[[], object]:
    """Model and batch of a phase ("train", "eval"); all start from equal weights.

    Args:
        name, pixels, phase: what runs.
        reference: in the published ways.
        bf16: under autocast.
        recompute: with activation checkpointing.
        frugal: what `tune_allocator` is told, as trainings do; None: nothing.
    """
    if frugal is not None:
        tune_allocator(frugal)
    model = make_model(name)
    if reference:
        model = reference_model(model)
    if recompute:
        # the tiny model's backbone has batch norms that train
        recompute_activations(model, ["backbone"] * (name == "r50") + ["encoder", "decoder"])
    make = training if phase == "train" else evaluation
    return make(model, make_batch(1, pixels), bf16)


def print_rows(title: str, rows: list[dict[str, Any]]) -> None:
    """One line a candidate."""
    print(f"\n{title}\n{'':30}{'median':>10}{'min':>9}{'speed-up':>10}")
    for row in rows:
        print(
            f"  {row['name']:28}{row['median_ms'] / 1e3:9.2f}s{row['min_ms'] / 1e3:8.2f}s"
            f"{row['speedup']:9.2f}x"
        )


def measure(name: str, pixels: int, repeats: int, with_memory: bool) -> dict[str, Any]:
    """All of it."""
    results: dict[str, Any] = {"model": name, "pixels": pixels, "matrix products": {}}
    common = ["--model", name, "--pixels", str(pixels), "--threads", str(torch.get_num_threads())]
    for phase in ("eval", "train"):
        work = work_gflop(name, pixels, phase)
        workers = {label: Worker([*common, "--phase", phase], label) for label in TIMED}
        times = alternate({**workers, PRODUCT: matrix_product()}, repeats)
        rate = 2e-6 * PRODUCT_SIDE**3 / statistics.median(times.pop(PRODUCT))
        results["matrix products"][phase] = {"work_gflop": work, "gflop_per_s": rate}
        results[phase] = summarise(times, REFERENCE)
        for worker in workers.values():
            worker.close()
        print_rows(f"{phase}, {name}, one {pixels}x{pixels} image", results[phase])
    if with_memory:
        results["memory"] = {label: peak_of([*common, "--phase", "train"], label) for label in WAYS}
    return results


class Counter(TorchDispatchMode):
    """Adds up the operations of matrix products, convolutions and attention, by `FORMULAS`."""

    # FlopCounterMode does this too, but its hooks on modules fail where a module takes a view.

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        formula = FORMULAS.get(func._overloadpacket)
        if formula is not None:
            self.operations += formula(*args, **(kwargs or {}), out_val=out)
        return out


def work_gflop(name: str, pixels: int, phase: str) -> float:
    """Billions of operations in matrix products and convolutions, as PyTorch counts them."""
    learns = phase == "train"
    model, batch = make_model(name).train(learns), make_batch(1, pixels)
    with Counter() as counter, torch.set_grad_enabled(learns):
        found = model(batch)
        if learns:
            sum(found.values()).backward()
    return counter.operations / 1e9


def matrix_product() -> Callable[[], object]:
    """One large product, by which the machine's speed is known in the same turns."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, PRODUCT_SIDE, PRODUCT_SIDE, generator=generator)
    return lambda: a @ b


def peak_of(arguments: list[str], label: str) -> dict[str, float]:
    """Peak memory of a few runs, after which it hardly grows, and the last one's CPU time."""
    worker = Worker(arguments, label)
    for _ in range(5):
        worker()
    worker.close()
    found = worker.last
    cpu = f"{found['user_s']:.1f} + {found['system_s']:.1f} s of user and system"
    print(f"  {label:50}{found['peak_mib']:6.0f} MiB, {cpu}", flush=True)
    return found


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", default="r50", choices=["r50", "tiny"])
    parser.add_argument("--pixels", type=int, default=640)
    parser.add_argument("--quick", action="store_true", help="the tiny model, seconds")
    parser.add_argument("--output", default="benchmarks/results/step.json")
    parser.add_argument("--phase", default="train", help=argparse.SUPPRESS)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.worker:
        serve(args.model, args.pixels, args.phase, args.worker)
        return
    print(describe_machine())
    name, pixels = ("tiny", 128) if args.quick else (args.model, args.pixels)
    write_json(args.output, measure(name, pixels, args.repeats, with_memory=not args.quick))


if __name__ == "__main__":
    main()
