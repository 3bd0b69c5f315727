"""A training step and an evaluation of AlignDETR-R50 against the published ways of computing them.

python -m benchmarks.step --threads 2
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from aligndetr.engine.allocator import tune_allocator
from aligndetr.engine.recomputation import recompute_activations
from benchmarks.measure import alternate, describe_machine, summarise, write_json
from benchmarks.reference import reference_model
from benchmarks.workload import evaluation, make_batch, make_model, training

REFERENCE, FP32, BF16 = "published ways, fp32", "ours, fp32", "ours, bf16"


def candidates(name: str, pixels: int, phase: str) -> dict[str, Callable[[], object]]:
    """Runs of one phase ("train", "eval") by label; all start from equal weights."""
    model = make_model(name)
    batch = make_batch(1, pixels)
    if phase == "eval":
        return {
            REFERENCE: evaluation(reference_model(model), batch),
            FP32: evaluation(model, batch),
            BF16: evaluation(model, batch, bf16=True),
        }
    return {
        REFERENCE: training(reference_model(model), batch, fused=False),
        FP32: training(model, batch),
        BF16: training(model, batch, bf16=True),
    }


MEMORY: dict[str, dict[str, Any]] = {  # label: how the step differs
    REFERENCE: {"reference": True},
    FP32: {"frugal": False},
    BF16: {"frugal": False, "bf16": True},
    f"{FP32}, checkpointing": {"frugal": True, "recompute": True},
    f"{BF16}, checkpointing": {"frugal": True, "recompute": True, "bf16": True},
    f"{FP32}, glibc's own thresholds": {},
    f"{FP32}, checkpointing, glibc's own thresholds": {"recompute": True},
}


def peak_of(name: str, pixels: int, label: str) -> dict[str, float]:
    """Peak resident MiB and CPU seconds of a step in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.step", "--peak-of", label, "--model", name]
    command += ["--pixels", str(pixels), "--threads", str(torch.get_num_threads())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def run_for_peak(name: str, pixels: int, label: str) -> dict[str, float]:
    """Four steps in this process, after which memory hardly grows; the last two are timed."""
    how = MEMORY[label]
    if "frugal" in how:
        tune_allocator(frugal=True)
    model = make_model(name)
    if how.get("reference"):
        model = reference_model(model)
    if how.get("recompute"):
        # the tiny model's backbone has batch norms that train
        recompute_activations(model, ["backbone"] * (name == "r50") + ["encoder", "decoder"])
    step = training(model, make_batch(1, pixels), how.get("bf16", False))
    step()
    if how.get("frugal") is False:
        tune_allocator(frugal=False)  # as `hooks.KeepFreedMemory` does
    step()
    before = resource.getrusage(resource.RUSAGE_SELF)
    step()
    step()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "peak_mib": peak_resident_mib(),
        "user_s": (after.ru_utime - before.ru_utime) / 2,
        "system_s": (after.ru_stime - before.ru_stime) / 2,
    }


def peak_resident_mib() -> float:
    """Of this program; Linux's `ru_maxrss` would count the parent's, from before the exec."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


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
    results: dict[str, Any] = {"model": name, "pixels": pixels}
    for phase in ("eval", "train"):
        results[phase] = summarise(alternate(candidates(name, pixels, phase), repeats), REFERENCE)
        print_rows(f"{phase}, {name}, one {pixels}x{pixels} image", results[phase])
    if with_memory:
        results["memory"] = {}
        for label in MEMORY:
            found = results["memory"][label] = peak_of(name, pixels, label)
            cpu = f"{found['user_s']:.1f} + {found['system_s']:.1f} s of user and system"
            print(f"  {label:50}{found['peak_mib']:6.0f} MiB, {cpu}")
    return results


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", default="r50", choices=["r50", "tiny"])
    parser.add_argument("--pixels", type=int, default=640)
    parser.add_argument("--quick", action="store_true", help="the tiny model, seconds")
    parser.add_argument("--output", default="benchmarks/results/step.json")
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.peak_of:
        print(json.dumps(run_for_peak(args.model, args.pixels, args.peak_of)))
        return
    print(describe_machine())
    tune_allocator(frugal=False)  # as a training does; it serves all candidates
    name, pixels = ("tiny", 128) if args.quick else (args.model, args.pixels)
    write_json(args.output, measure(name, pixels, args.repeats, with_memory=not args.quick))


if __name__ == "__main__":
    main()
