"""Training steps and evaluations of one model on a device, and their peak memory.

python -m benchmarks.gpu_step aligndetr_k2_r50_4scale_12ep --batch 2 --dtype bfloat16
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.profiler import profile

from aligndetr.config import LazyConfig, instantiate, resolve_config
from aligndetr.engine.compilation import compile_parts
from aligndetr.engine.optimizer import build_optimizer
from aligndetr.engine.precision import Precision
from aligndetr.engine.trainer import Trainer
from benchmarks.measure import describe_machine
from benchmarks.reference import reference_model
from benchmarks.workload import make_batch

PARTS = ("encoder", "decoder")


def seconds(run: Callable[[], object], repeats: int, device: str) -> float:
    """Median time of one call, after three that are not counted."""
    times = []
    for _ in range(repeats + 3):
        start = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[3:])


def endless(batch: list[dict]):
    """The same batch again and again."""
    while True:
        yield batch


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--pixels", type=int, default=992, help="as many as 800 x 1216 has")
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--compile", action="store_true", help="the encoder and the decoder")
    parser.add_argument("--published", action="store_true", help="compute in the published ways")
    parser.add_argument("--profile", action="store_true", help="what a step spends its time on")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(describe_machine())
    config = LazyConfig.load(resolve_config(args.config))
    config.model.num_classes = 80
    torch.manual_seed(0)
    model: nn.Module = instantiate(config.model).to(device)
    model = reference_model(model) if args.published else model
    compile_parts(model, PARTS if args.compile else ())
    dtype = None if args.dtype == "float32" else args.dtype
    precision = Precision(torch.device(device), dtype)
    batch = make_batch(args.batch, args.pixels)
    optimizer = build_optimizer(config, model, 1.0)
    clip = dict(config.train.clip_grad.params)
    trainer = Trainer(model, endless(batch), optimizer, precision=precision, clip_grad=clip)
    trainer.train(0, 1)
    step = seconds(trainer.run_step, args.repeats, device)
    print(f"training step: {step * 1e3:.1f} ms, {args.batch / step:.1f} images a second")
    if device == "cuda":
        print(f"peak memory: {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")
    if args.profile:
        with profile() as profiled:
            trainer.run_step()
        order = "self_cuda_time_total" if device == "cuda" else "self_cpu_time_total"
        print(profiled.key_averages().table(sort_by=order, row_limit=40))
    model.eval()
    with torch.inference_mode(), precision.autocast():
        evaluation = seconds(lambda: model(batch), args.repeats, device)
    print(f"evaluation: {evaluation * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
