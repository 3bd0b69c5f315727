"""What each change of the training step brought, and what was tried and left out.

One thing at a time is put back into its published way, or tried in another, beside our step.

python -m benchmarks.alternatives --threads 2 --pixels 320
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from aligndetr.benchmark.measure import alternate, describe_machine
from aligndetr.engine.compilation import compile_parts
from aligndetr.engine.cpu_allocator import tune_allocator
from aligndetr.layers.attention import SelfAttention
from aligndetr.layers.mlp import FeedForward
from aligndetr.matchers import Assignment, MixedMatcher
from aligndetr.matchers.hungarian import assign
from aligndetr.modeling.backbone.blocks import ConvNorm
from aligndetr.structures import Predictions, Targets
from benchmarks.measure import summarise, write_json
from benchmarks.reference import match_by_layers, patch_forwards, sample_by_grid
from benchmarks.workload import make_batch, make_model, training

Step = Callable[[], object]
OURS = "ours"


class ThreadedMatcher(MixedMatcher):
    """Assigns all layers and images on a pool of threads; scipy runs without the interpreter."""

    @torch.no_grad()
    def __call__(
        self, predictions: Predictions, targets: Targets, match_num: Sequence[int] | None = None
    ) -> Assignment:
        """See `MixedMatcher.__call__`."""
        num_layers, _, num_queries, _ = predictions.logits.shape
        problems, first = [], 0
        for image, cost in enumerate(self._costs(predictions, targets)):
            for layer, k in enumerate(match_num or [1] * num_layers):
                copies = max(1, min(k, num_queries // (2 * max(cost.shape[-1], 1))))
                problems.append((layer, image, first, cost[layer], copies))
            first += cost.shape[-1]
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            found = list(
                pool.map(assign, *zip(*(problem[3:] for problem in problems), strict=True))
            )
        rows = [
            (layer, image, 0, query, target + first)
            for (layer, image, first, *_), (query, target) in zip(problems, found, strict=True)
        ]
        return Assignment.from_rows(rows, predictions.logits.device)


def with_threads(model: nn.Module) -> nn.Module:
    """Assignment by scipy on a pool of threads."""
    model.criterion.matcher = ThreadedMatcher(model.criterion.matcher.cost)
    return model


def hidden_again(model: nn.Module) -> nn.Module:
    """Feed-forward blocks that keep only their inputs for the backward pass."""
    for module in model.modules():
        if isinstance(module, FeedForward):
            module.forward = functools.partial(checkpoint, module.forward, use_reentrant=False)
    return model


def compiled(part: str) -> Callable[[nn.Module], nn.Module]:
    """One part through torch.compile."""

    def change(model: nn.Module) -> nn.Module:
        compile_parts(model, [part])
        return model

    return change


def published(kind: type[nn.Module]) -> Callable[[nn.Module], nn.Module]:
    """All modules of a kind in the published way."""
    return lambda model: patch_forwards(model, kind)


PUBLISHED: dict[str, Callable[[nn.Module], nn.Module]] = {
    "grid_sample": sample_by_grid,
    "attention weights made and averaged": published(SelfAttention),
    "frozen norms in a pass of their own": published(ConvNorm),
    "feed-forward of all rows at once": published(FeedForward),
    "matching and losses layer by layer": match_by_layers,
}
TRIED: dict[str, Callable[[nn.Module], nn.Module]] = {
    "assignment on threads": with_threads,
    "hidden features computed again": hidden_again,
    "backbone compiled": compiled("backbone"),
    "encoder compiled": compiled("encoder"),
    "decoder compiled": compiled("decoder"),
}
OPTIMIZERS = {"AdamW, loop": {"foreach": False}, "AdamW, foreach": {"foreach": True}}


def pairs(name: str, batch: list[dict]) -> dict[str, Callable[[], Step]]:
    """Makers of the step that differs from ours in one thing, by what that is."""
    makers: dict[str, Callable[[], Step]] = {
        label: lambda change=change: training(change(make_model(name)), batch)
        for label, change in {**PUBLISHED, **TRIED}.items()
    }
    for label, options in OPTIMIZERS.items():
        makers[label] = lambda options=options: training(make_model(name), batch, **options)
    return makers


def measure(
    name: str, pixels: int, repeats: int, only: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Ours and each alternative in turns; `speedup` is that of ours over the alternative."""
    batch = make_batch(1, pixels)
    rows = []
    for label, make in pairs(name, batch).items():
        if only is not None and label not in only:
            continue
        runs = {label: make(), OURS: training(make_model(name), batch)}
        other, ours = summarise(alternate(runs, repeats), label)
        rows.append({**other, "ours_ms": ours["median_ms"], "speedup": ours["speedup"]})
        print(
            f"  {label:40}{other['median_ms'] / 1e3:7.2f}s, ours {ours['median_ms'] / 1e3:5.2f}s: "
            f"{ours['speedup']:.3f}x",
            flush=True,
        )
    return rows


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pixels", type=int, default=640)
    parser.add_argument("--quick", action="store_true", help="the tiny model, a minute")
    parser.add_argument("--output", default="benchmarks/results/alternatives.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tune_allocator(frugal=False)  # as a training does
    print(describe_machine())
    name, pixels = ("tiny", 128) if args.quick else ("r50", args.pixels)
    results = {"model": name, "pixels": pixels, "rows": measure(name, pixels, args.repeats)}
    write_json(args.output, results)


if __name__ == "__main__":
    main()
