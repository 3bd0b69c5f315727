"""Where the time of a detection goes, part by part of the model, in each runtime.

    python -m benchmarks.parts rtdetr_r18_6x out/model.onnx out/model.xml --size 640 --threads 2

In PyTorch, optimised, the parts are timed as they are called; ONNX Runtime and OpenVINO measure
their operators, whose names say of which part they are. What a runtime made of operators of several
parts counts for the one that it is named after; what has no such name is `rest`, as are
normalisation, masks and post-processing. Measuring costs time: compare shares, and whole times by
`aligndetr benchmark`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from aligndetr.benchmark.subjects import INPUTS, items_of
from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.engine.cpu_allocator import tune_allocator
from aligndetr.engine.model import load_model
from aligndetr.modeling.folding import optimise
from benchmarks.measure import write_json

PARTS = ("backbone", "neck", "encoder", "query_source", "decoder")
PREFIX = "detector."  # of the names of an exported file's operators
Times = dict[str, float]  # milliseconds by part


def part_of(operator: str) -> str:
    """`detector.backbone.res2.0/conv2d` -> `backbone`; `rest` without such a name."""
    _, found, path = operator.partition(PREFIX)
    name = path.partition("/")[0].partition(".")[0]
    return name if found and name in PARTS else "rest"


def feeds(images: np.ndarray) -> dict[str, np.ndarray]:
    """What an exported file takes: images and their sizes, before and after the resize."""
    sizes = np.full((len(images), 2), images.shape[2:], np.int64)
    return dict(zip(INPUTS, (images, sizes, sizes), strict=True))


def sum_parts(operators: Mapping[str, float]) -> Times:
    """Milliseconds by part, of those by operator."""
    times = dict.fromkeys((*PARTS, "rest"), 0.0)
    for name, milliseconds in operators.items():
        times[part_of(name)] += milliseconds
    return times


def pytorch(name: str, images: np.ndarray) -> Callable[[], Times]:
    """A config's model with random weights, in float32."""
    config = LazyConfig.load(resolve_config(name))
    if config.model.num_classes is None:
        config.model.num_classes = 80
    model = optimise(load_model(LazyConfig.apply_overrides(config, ["train.device=cpu"]), None))
    items = items_of(images)
    spent, began = dict.fromkeys((*PARTS, "rest"), 0.0), {}

    def before(part: str) -> None:
        began[part] = time.perf_counter()

    def after(part: str) -> None:
        spent[part] += 1e3 * (time.perf_counter() - began[part])

    for part in PARTS:
        module = getattr(model, part, None)
        if isinstance(module, torch.nn.Module):
            module.register_forward_pre_hook(lambda *_, part=part: before(part))
            module.register_forward_hook(lambda *_, part=part: after(part))

    @torch.inference_mode()
    def run() -> Times:
        spent.update(dict.fromkeys(spent, 0.0))
        start = time.perf_counter()
        model(items)
        spent["rest"] = 1e3 * (time.perf_counter() - start) - sum(spent.values())
        return dict(spent)

    return run


def onnx_runtime(path: str, images: np.ndarray) -> Callable[[], Times]:
    """A file in ONNX Runtime, which writes what it measured when a session ends."""
    import onnxruntime

    def run() -> Times:
        with tempfile.TemporaryDirectory() as folder:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            options.log_severity_level = 3
            options.enable_profiling, options.profile_file_prefix = True, f"{folder}/run"
            providers = ["CPUExecutionProvider"]
            session = onnxruntime.InferenceSession(path, options, providers=providers)
            for _ in range(2):
                session.run(None, feeds(images))
            events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        nodes = [event for event in events if event.get("cat") == "Node"]
        nodes = [event for event in nodes if event["name"].endswith("_kernel_time")]
        last: dict[str, float] = {}  # of the second run, which has the later times
        for event in sorted(nodes, key=lambda event: event["ts"]):
            last[event["name"]] = event["dur"] / 1e3
        return sum_parts(last)

    return run


def openvino(path: str, images: np.ndarray) -> Callable[[], Times]:
    """A file in OpenVINO, in float32 or with the 8 bits that it has."""
    import openvino as library

    hints = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": "f32",
        "PERF_COUNT": True,
    }
    request = library.Core().compile_model(path, "CPU", hints).create_infer_request()

    def run() -> Times:
        request.infer(feeds(images))
        operators: dict[str, float] = {}
        for each in request.profiling_info:
            spent = each.real_time.total_seconds() * 1e3
            operators[each.node_name] = operators.get(each.node_name, 0.0) + spent
        return sum_parts(operators)

    return run


OPENERS = {".onnx": onnx_runtime, ".xml": openvino}


def measure(names: list[str], images: np.ndarray, repeats: int) -> dict[str, Times]:
    """Medians over runs in turns, by what was run: its title, or the file or config itself."""
    runs = {}
    for name in names:
        title, _, path = name.rpartition("=")
        runs[title or path] = OPENERS.get(Path(path).suffix, pytorch)(path, images)
    found: dict[str, list[Times]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            times = run()
            found[name] += [times] if turn else []  # the first one warms up
    return {
        name: {part: statistics.median(times[part] for times in turns) for part in turns[0]}
        for name, turns in found.items()
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+", metavar="[TITLE=]CONFIG|FILE")
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path, help="JSON file of the numbers")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tune_allocator(frugal=False)
    shape = (args.batch, 3, args.size, args.size)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = measure(args.names, images, args.repeats)
    if args.output:
        write_json(args.output, {"size": args.size, "batch": args.batch, "parts": found})
    for name, times in found.items():
        print(f"{name}: {sum(times.values()):.1f} ms")
        for part, milliseconds in times.items():
            print(f"  {part:<14}{milliseconds:9.1f} ms")


if __name__ == "__main__":
    main()
