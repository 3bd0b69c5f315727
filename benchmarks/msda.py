"""Multi-scale deformable attention: every implementation against grid_sample, at DINO's shapes.

python -m benchmarks.msda --threads 2 --output output/benchmarks/msda.json
"""

import argparse
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from aligndetr.benchmark.measure import alternate, describe_machine, peak_memory
from aligndetr.layers.deformable_attention import MultiScaleDeformableAttention
from aligndetr.layers.ms_deform_attn import (
    fused_ms_deform_attn,
    implementation,
    ms_deform_attn,
    use_implementation,
)
from aligndetr.layers.ms_deform_attn.reference import sampling_locations
from benchmarks.measure import summarise, write_json
from benchmarks.published_operator import published, published_module

SHAPES = {  # name: levels, queries (None: one a token)
    "encoder 640x640": ([(80, 80), (40, 40), (20, 20), (10, 10)], None),
    "encoder 800x1216": ([(100, 152), (50, 76), (25, 38), (13, 19)], None),
    "decoder 640x640": ([(80, 80), (40, 40), (20, 20), (10, 10)], 1100),
}
HEADS, DIM, POINTS = 8, 32, 4


def make_inputs(name: str, device: str, dtype: torch.dtype) -> tuple[list, dict[str, Tensor]]:
    """Levels, and the arguments of both forms: points spread a few pixels around the reference."""
    levels, queries = SHAPES[name]
    generator = torch.Generator().manual_seed(0)
    centres = [
        torch.stack(
            torch.meshgrid((torch.arange(w) + 0.5) / w, (torch.arange(h) + 0.5) / h, indexing="xy"),
            -1,
        )
        for h, w in levels
    ]
    reference = torch.cat([grid.reshape(-1, 2) for grid in centres])
    S = len(reference)
    if queries is not None:
        reference = torch.rand(queries, 2, generator=generator)
    Q, L = len(reference), len(levels)
    reference = reference[None, :, None].expand(1, Q, L, 2).contiguous()
    offsets = 2 * torch.randn(1, Q, HEADS, L, POINTS, 2, generator=generator)
    logits = torch.randn(1, Q, HEADS, L, POINTS, generator=generator)
    tensors = {
        "value": torch.randn(1, S, HEADS, DIM, generator=generator),
        "offsets": offsets,
        "logits": logits,
        "locations": sampling_locations(levels, offsets, reference),
        "weights": logits.flatten(3).softmax(-1).view_as(logits),
    }
    tensors = {key: tensor.to(device, dtype) for key, tensor in tensors.items()}
    tensors["reference"] = reference.to(device, torch.promote_types(dtype, torch.float32))
    for key in ("locations", "weights"):
        tensors[key] = tensors[key].to(tensors["reference"].dtype)
    return levels, {key: t.requires_grad_(key != "reference") for key, t in tensors.items()}


def candidates(
    name: str, device: str, dtype: torch.dtype, backward: bool
) -> dict[str, Callable[[], object]]:
    """What is compared: the operator and its fused form, by grid_sample and by our kernel."""
    levels, t = make_inputs(name, device, dtype)
    plain = [t["value"], t["locations"], t["weights"]]
    fused = [t["value"], t["offsets"], t["logits"], t["reference"]]
    ours = implementation(device, dtype)
    module = MultiScaleDeformableAttention(HEADS * DIM, HEADS, len(levels), POINTS)
    module = module.to(device, dtype)
    tokens = t["value"].detach().flatten(2)
    query = tokens[:, : t["offsets"].shape[1]].clone().requires_grad_()

    def unfused_parts() -> Tensor:
        locations = sampling_locations(levels, t["offsets"], t["reference"])
        weights = t["logits"].float().flatten(3).softmax(-1).view_as(t["logits"])
        return ms_deform_attn(t["value"], levels, locations, weights)

    def unfused_module() -> Tensor:
        shape = t["logits"].shape
        offsets = module.sampling_offsets(query).view(*shape, 2)
        weights = module.attention_weights(query).flatten(2).view(*shape[:3], -1).softmax(-1)
        locations = sampling_locations(levels, offsets, t["reference"].to(dtype))
        value = module.value_proj(tokens).view(t["value"].shape)
        wide = t["reference"].dtype
        out = ms_deform_attn(value, levels, locations.to(wide), weights.view(shape).to(wide))
        return module.output_proj(out)

    runs: dict[str, tuple[str, Callable[[], Tensor], list[Tensor]]] = {}
    for kind in dict.fromkeys(["reference", ours]):
        runs[f"operator, {kind}"] = (
            kind,
            lambda: ms_deform_attn(plain[0], levels, *plain[1:]),
            plain,
        )
    if (module_of_others := published_module()) and device == "cuda" and dtype == torch.float32:
        runs["operator, published CUDA"] = (
            ours,
            lambda: published(module_of_others, plain[0], levels, *plain[1:]),
            plain,
        )
    runs[f"operator + softmax + locations, {ours}"] = (ours, unfused_parts, fused[:3])
    runs[f"fused, {ours}"] = (
        ours,
        lambda: fused_ms_deform_attn(fused[0], levels, *fused[1:]),
        fused[:3],
    )
    learned = [query, *module.parameters()]
    runs[f"module without fusion, {ours}"] = (ours, unfused_module, learned)
    for kind in dict.fromkeys(["reference", ours]):
        runs[f"module, {kind}"] = (
            kind,
            lambda: module(query, t["reference"], tokens, levels, None),
            learned,
        )
    return {key: _runner(*run, backward=backward) for key, run in runs.items()}


def _runner(
    kind: str, forward: Callable[[], Tensor], wanted: list[Tensor], backward: bool
) -> Callable[[], object]:
    with use_implementation(kind), torch.no_grad():
        gradient = torch.ones_like(forward())

    def run() -> object:
        with use_implementation(kind), torch.set_grad_enabled(backward):
            out = forward()
            return torch.autograd.grad(out, wanted, gradient) if backward else out

    return run


def measure_memory() -> dict[str, float]:
    """MiB that one forward + backward of the operator needs, encoder at 640x640."""
    levels, t = make_inputs("encoder 640x640", "cpu", torch.float32)
    inputs = [t["value"], t["locations"], t["weights"]]
    runs = {
        kind: _runner(kind, lambda: ms_deform_attn(inputs[0], levels, *inputs[1:]), inputs, True)
        for kind in ("reference", "cpp")
    }
    return {kind: peak_memory(run) for kind, run in runs.items()}


def print_table(title: str, rows: list[dict[str, Any]]) -> None:
    """One line a candidate."""
    print(f"\n{title}\n{'':48}{'median':>10}{'min':>9}{'speed-up':>10}")
    for row in rows:
        times = f"{row['median_ms']:8.1f}ms{row['min_ms']:7.1f}ms"
        print(f"  {row['name']:46}{times}{row['speedup']:9.1f}x")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--shapes", nargs="*", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--output", default="output/benchmarks/msda.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(describe_machine())
    results: dict[str, Any] = {}
    for name in args.shapes:
        for phase in ("forward", "forward + backward"):
            backward = phase != "forward"
            runs = candidates(name, args.device, getattr(torch, args.dtype), backward)
            times = alternate(runs, args.repeats, args.device)
            title = f"{name}, {phase}, {args.dtype}, {args.threads} threads"
            results[title] = summarise(times, "operator, reference")
            print_table(title, results[title])
    if args.device == "cpu" and implementation("cpu") == "cpp" and sys.platform == "linux":
        results["peak extra memory, MiB"] = measure_memory()
        print(f"\npeak extra memory, forward + backward: {results['peak extra memory, MiB']}")
    write_json(args.output, results)


if __name__ == "__main__":
    main()
