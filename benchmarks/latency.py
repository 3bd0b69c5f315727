"""Detection by every way to run a model, in turns: the table of docs/performance.md.

python -m benchmarks.latency --threads 2

Per model (AlignDETR with ResNet-50 and RT-DETR with ResNet-18, at 640 pixels) and size of batch:
PyTorch in ours, folded, and in the published ways, compiled, the same model in ONNX Runtime and
OpenVINO, and Hugging Face's RT-DETR. Weights are random: they change no time. Files are exported
for the one size, which is quick and what runtimes like best; they lie in --work, and every turn in
--output, so that a run that was stopped goes on where it was. It takes the machine for itself: best
run when it is quiet. `--only "PyTorch, ours"` leaves out all whose names do not begin so.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import nn

from aligndetr.benchmark.latency import percentile
from aligndetr.benchmark.measure import alternate
from aligndetr.benchmark.subjects import items_of, open_subject
from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.engine.compilation import compile_parts
from aligndetr.engine.cpu_allocator import tune_allocator
from aligndetr.engine.model import load_model
from aligndetr.modeling.folding import optimise
from benchmarks.measure import write_json
from benchmarks.reference import reference_model

MODELS = {
    "AlignDETR, ResNet-50": "aligndetr_k2_r50_4scale_12ep",
    "RT-DETR, ResNet-18": "rtdetr_r18_6x",
}
SHAPES = "aligndetr_tiny"  # whose images calibrate int8: COCO may not be here
PARTS = ("backbone", "encoder", "decoder")
CALIBRATION = 20
EXPORTS = {  # what it is called -> format, precision of the file, precision it is run in
    "ONNX Runtime, fp32": ("onnx", "fp32", "fp32"),
    "OpenVINO, fp32": ("openvino", "fp32", "fp32"),
    "OpenVINO, bf16": ("openvino", "fp32", "bf16"),
    "OpenVINO, int8": ("openvino", "int8", "fp32"),
}
SUFFIX = {"onnx": ".onnx", "openvino": ".xml"}
PACKAGES = {
    "ONNX Runtime": "onnxruntime",
    "OpenVINO, int8": "nncf",
    "OpenVINO": "openvino",
    "Hugging Face": "transformers",
}

Run = Callable[[np.ndarray], object]
Runs = dict[str, dict[str, list[float]]]  # milliseconds by candidate, by model and batch


@dataclass(frozen=True)
class Place:
    """For which images files are exported, and where they lie."""

    work: Path
    size: int
    batch: int


def random_model(name: str, overrides: tuple[str, ...]) -> tuple[DictConfig, nn.Module]:
    """A config and its model, always with the same weights."""
    config = LazyConfig.load(resolve_config(name))
    if config.model.num_classes is None:
        config.model.num_classes = 80
    config = LazyConfig.apply_overrides(config, [*overrides, "train.device=cpu"])
    torch.manual_seed(0)
    return config, load_model(config, None)


def eager(model: nn.Module, bf16: bool = False) -> Run:
    """A model of ours in PyTorch: images to detections."""

    @torch.inference_mode()
    def run(images: np.ndarray) -> object:
        items = items_of(images)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return model(items)

    return run


def compiled(model: nn.Module) -> Run:
    """A copy with constants folded and its parts through torch.compile."""
    model = optimise(copy.deepcopy(model))
    compile_parts(model, PARTS)
    return eager(model)


def hugging_face(depth: int) -> Run:
    """Their RT-DETR of the same size, with what their processor does to pixels and outputs."""
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrResNetConfig

    small = depth == 18
    backbone = RTDetrResNetConfig(
        depths=[2, 2, 2, 2] if small else [3, 4, 6, 3],
        hidden_sizes=[64, 128, 256, 512] if small else [256, 512, 1024, 2048],
        layer_type="basic" if small else "bottleneck",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = RTDetrConfig(
        backbone_config=backbone,
        encoder_in_channels=[128, 256, 512] if small else [512, 1024, 2048],
        hidden_expansion=0.5 if small else 1.0,
        decoder_layers=3 if small else 6,
        num_labels=80,
    )
    torch.manual_seed(0)
    model = RTDetrForObjectDetection(config).eval()

    @torch.inference_mode()
    def run(images: np.ndarray) -> object:
        found = model(pixel_values=torch.from_numpy(images).float().div_(255))
        scores, index = found.logits.sigmoid().flatten(1).topk(300)
        return scores, found.pred_boxes.gather(1, (index // 80)[..., None].expand(-1, -1, 4))

    return run


def exported(name: str, overrides: tuple[str, ...], kind: str, place: Place) -> Run:
    """The model as a file, written once, in its own runtime."""
    from aligndetr.export.exporting import Source, Wish, export
    from aligndetr.export.program import Canvas

    form, precision, run_in = EXPORTS[kind]
    size, batch = place.size, place.batch
    folder = place.work / f"{name}_{form}_{precision}_{batch}x{size}"
    path = folder / f"model{SUFFIX[form]}"
    if not path.is_file():
        config, _ = random_model(name, overrides)
        shapes = LazyConfig.load(resolve_config(SHAPES)).dataloader.train.dataset
        config.dataloader.train.dataset = shapes
        canvas = Canvas(size, size, batch, fixed=True)
        torch.manual_seed(0)
        wish = Wish(form, precision, canvas, calibration=CALIBRATION)
        export(Source(config, None), wish, folder, None)
    return open_subject(str(path), torch.get_num_threads(), run_in).run


def candidates(
    name: str, overrides: tuple[str, ...], place: Place, only: tuple[str, ...]
) -> dict[str, Run]:
    """The ways to run a config's model that this environment has packages for."""
    _, model = random_model(name, overrides)
    ways: dict[str, Callable[[], Run]] = {
        "PyTorch, ours, fp32": lambda: eager(model),
        "PyTorch, ours, optimised, fp32": lambda: eager(optimise(copy.deepcopy(model))),
        "PyTorch, ours, bf16": lambda: eager(model, bf16=True),
        "PyTorch, published ways, fp32": lambda: eager(reference_model(model)),
        "PyTorch, ours, optimised, compiled, fp32": lambda: compiled(model),
    }
    ways |= {kind: partial(exported, name, overrides, kind, place) for kind in EXPORTS}
    if name.startswith("rtdetr_r"):
        depth = 18 if "r18" in name else 50
        ways["Hugging Face, PyTorch, fp32"] = partial(hugging_face, depth)
    wanted = {way: make for way, make in ways.items() if way.startswith(only)}
    missing = {way: reason for way in wanted if (reason := _missing(way))}
    for way, reason in missing.items():
        print(f"left out, {reason}: {way}")
    return {way: make() for way, make in wanted.items() if way not in missing}


def _missing(way: str) -> str | None:
    """What a way needs and this environment does not have."""
    if "bf16" in way and not torch.cpu._is_avx512_bf16_supported():
        return "this processor only emulates bf16"
    package = next((found for start, found in PACKAGES.items() if way.startswith(start)), None)
    if package and importlib.util.find_spec(package) is None:
        return f"{package} is not installed"
    return None


def read_runs(path: Path, size: int) -> dict[str, Any]:
    """What an earlier run measured with images of this size."""
    results = json.loads(path.read_text())["results"] if path.is_file() else {}
    return results if results.get("size") == size else {"size": size, "runs": {}}


def measure(
    runs: Mapping[str, Run],
    found: dict[str, list[float]],
    images: np.ndarray,
    repeats: int,
    keep: Callable[[], None],
) -> None:
    """Add turns until each candidate has its runs; every turn is kept as it comes.

    A candidate that an earlier run did not have begins the measurement anew, as its times would
    not be of the same turns.
    """
    if set(found) != set(runs):
        found.clear()
        found.update({name: [] for name in runs})
    ready = {name: partial(run, images) for name, run in runs.items()}
    warm_up = 1
    while min(map(len, found.values())) < repeats:
        for name, times in alternate(ready, 1, warm_up=warm_up).items():
            found[name] += times
        warm_up = 0
        keep()


def summary(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a candidate: medians, 95 % and speed against the first one, turn by turn."""
    rows = []
    for key, found in results["runs"].items():
        first = next(iter(found.values()))
        for name, runs in found.items():
            ratios = sorted(a / b for a, b in zip(first, runs, strict=True))
            middle = percentile(runs, 0.5)
            batch = int(key.rpartition(" ")[2])
            rows.append(
                {
                    "model": key,
                    "name": name,
                    "median_ms": middle,
                    "p95_ms": percentile(runs, 0.95),
                    "images_per_s": 1e3 * batch / middle,
                    "faster": ratios[len(ratios) // 2],
                }
            )
    return rows


def best_of_both(runs: Mapping[str, list[float]]) -> tuple[str, str, float] | None:
    """The fastest of ours and the fastest file in float32, and how much faster ours is.

    None where one of them was not measured. As ever, the median of the turns' ratios.
    """

    def fastest(*starts: str) -> str | None:
        names = [name for name in runs if name.startswith(starts) and name.endswith("fp32")]
        return min(names, key=lambda name: percentile(runs[name], 0.5), default=None)

    ours, file = fastest("PyTorch, ours"), fastest("ONNX Runtime", "OpenVINO")
    if ours is None or file is None:
        return None
    ratios = [other / own for own, other in zip(runs[ours], runs[file], strict=True)]
    return ours, file, percentile(ratios, 0.5)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--models", nargs="+", default=list(MODELS), help="also names of configs")
    parser.add_argument("--overrides", nargs="*", default=[], help="key=value of all configs")
    parser.add_argument("--only", nargs="+", default=[""], help="starts of names of ways")
    parser.add_argument("--work", type=Path, default=Path("output/latency"))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/latency.json"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tune_allocator(frugal=False)
    results = read_runs(args.output, args.size)
    keep = partial(write_json, args.output, results)
    for title in args.models:
        config = MODELS.get(title, title)
        for batch in args.batch_sizes:
            place = Place(args.work, args.size, batch)
            runs = candidates(config, tuple(args.overrides), place, tuple(args.only))
            shape = (batch, 3, args.size, args.size)
            images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
            found = results["runs"].setdefault(f"{title}, batch {batch}", {})
            measure(runs, found, images, args.repeats, keep)
    for row in summary(results):
        figures = f"{row['median_ms']:9.1f} ms {row['p95_ms']:9.1f} ms {row['faster']:5.2f}x"
        print(f"{row['model']:<36} {row['name']:<32} {figures}")


if __name__ == "__main__":
    main()
