"""docs/performance.md and its picture, from what the other benchmarks wrote.

python -m benchmarks.report
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from aligndetr.files import atomic_write
from benchmarks.alternatives import TRIED
from benchmarks.goals import FUSION_AIM, OPERATOR, Found, goals
from benchmarks.step import BF16, FP32, REFERENCE

ROOT = Path(__file__).parent.parent
# The published code on a 2-core Zen 4 machine, one 640x640 image, 8 boxes, 900 queries: seconds,
# GB; and arithmetic: GFLOP of a phase, and GFLOP/s that fp32 matrix products reach there.
PUBLISHED = {"train": 13.4, "eval": 3.8}
PUBLISHED_PEAK_GB = 5.0
WORK_GFLOP = {"train": 244 + 481, "eval": 237}
GEMM_GFLOPS = (133, 172)
PICTURE = "pictures/performance.png"
NO_HELP = """\
- **Assignment on threads**: scipy needs about half a millisecond an image and layer of a step that
  takes seconds.
- **torch.compile on CPU**: all three parts record as one graph each, but matrix products,
  convolutions and attention go to the same libraries either way. `train.compile=[encoder,decoder]`
  is there for GPUs, where we have not measured it. The first step takes half a minute a part.
- **The box head that moves anchors after the last decoder layer** has no reader. It is 0.2 % of the
  forward; leaving it out would make every refinement rule know which layer is the last.
- **Computing the hidden features of feed-forward blocks again** in the backward pass: those of the
  encoder take 6 layers x 8500 pixels x 2048 x 4 bytes = 0.4 GB. Going through the rows in groups
  saves as much, of their gradients, without computing anything twice.
- **Huge pages** (`THP_MEM_ALLOC_ENABLE=1`): no gain beyond noise, and more memory."""


def read(folder: Path, name: str) -> dict[str, Any] | None:
    """The results of a benchmark, None if it was not run."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def machine_line(found: dict[str, Any]) -> str:
    """On what it was measured."""
    machine = found["machine"]
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, "
        f"torch {machine['torch']}, Python {machine['python']}"
    )


def step_section(found: dict[str, Any]) -> list[str]:
    """Times of a step, the floor and memory."""
    results = found["results"]
    lines = [f"## A step ({results['model']}, one {results['pixels']} px image)", ""]
    lines += [machine_line(found) + ". `python -m benchmarks.step --threads 2`.", ""]
    lines += [
        f"*Published code* took {PUBLISHED['train']} s and {PUBLISHED['eval']} s and "
        f"{PUBLISHED_PEAK_GB} GB, measured once on another 2-core machine (Zen 4) and not by a "
        "command of this repository; the floor is counted from its arithmetic.",
        "",
    ]
    for phase, title in (("train", "Training step"), ("eval", "Evaluation")):
        rows = [
            [
                row["name"],
                f"{row['median_ms'] / 1e3:.2f} s",
                f"{row['min_ms'] / 1e3:.2f} s",
                f"{row['speedup']:.2f}x",
                f"{PUBLISHED[phase] / row['median_ms'] * 1e3:.2f}x",
            ]
            for row in results[phase]
        ]
        head = [title, "median", "best", "against published ways here", "against published code"]
        lines += table(head, rows)
        low, high = (WORK_GFLOP[phase] / speed for speed in reversed(GEMM_GFLOPS))
        ours = next(row["median_ms"] / 1e3 for row in results[phase] if row["name"] == FP32)
        lines += [
            f"The floor in fp32: {WORK_GFLOP[phase]} GFLOP at {GEMM_GFLOPS[0]} to "
            f"{GEMM_GFLOPS[1]} GFLOP/s take {low:.1f} to {high:.1f} s; ours takes "
            f"{ours / high:.2f} to {ours / low:.2f} times that.",
            "",
        ]
    return lines + memory_lines(results)


def memory_lines(results: dict[str, Any]) -> list[str]:
    """Peak resident memory of a training process."""
    if "memory" not in results:
        return []
    rows = [
        [
            label,
            f"{value['peak_mib'] / 1024:.2f} GiB",
            f"{value['user_s'] + value['system_s']:.1f} s",
        ]
        for label, value in results["memory"].items()
    ]
    lines = table(["Training process with AdamW", "peak memory", "CPU time of a step"], rows)
    lines += [
        f"The published code peaks at {PUBLISHED_PEAK_GB} GB. Checkpointing is "
        "`train.activation_checkpointing=[backbone,encoder,decoder]`. With glibc, training keeps "
        "freed memory for the next step, as page faults cost a tenth of a step; with checkpointing "
        "it gives freed memory back at once instead (`aligndetr/engine/allocator.py`). "
        "Environment variables of malloc, `MALLOC_...`, have the last word.",
        "",
    ]
    return lines


def alternatives_section(found: dict[str, Any]) -> list[str]:
    """One thing at a time."""
    results = found["results"]
    lines = [f"## One thing at a time ({results['model']}, {results['pixels']} px, fp32)", ""]
    command = f"`python -m benchmarks.alternatives --threads 2 --pixels {results['pixels']}`"
    lines += [f"{machine_line(found)}. {command}.", ""]
    tried = [row for row in results["rows"] if row["name"] in TRIED]
    put_back = [row for row in results["rows"] if row["name"] not in TRIED]
    for title, rows in (("Put back", put_back), ("Tried", tried)):
        cells = [
            [
                row["name"],
                f"{row['median_ms'] / 1e3:.2f} s",
                f"{row['ours_ms'] / 1e3:.2f} s",
                f"{row['speedup']:.2f}x",
            ]
            for row in rows
        ]
        head = [f"{title} in a training step", "with it", "ours in turns with it", "ours faster"]
        lines += table(head, cells) if cells else []
    return lines


def scaling_section(found: dict[str, Any]) -> list[str]:
    """Growth of cost."""
    lines = ["## Growth", "", machine_line(found) + ". `python -m benchmarks.scaling`.", ""]
    for key, title in (("pixels", "Evaluation of one image"), ("batch", "Training step, 256 px")):
        rows = [
            [row["name"], f"{row['median_ms'] / 1e3:.2f} s", f"{1 / row['speedup']:.2f}x"]
            for row in found["results"][key]
        ]
        lines += table([title, "median", "of the first"], rows)
    return lines


def evaluation_section(found: dict[str, Any]) -> list[str]:
    """COCO's numbers."""
    results = found["results"]
    rows = [
        [row["name"], f"{row['median_ms'] / 1e3:.2f} s", f"{row['speedup']:.1f}x"]
        for row in results["rows"]
    ]
    return [
        "## COCO evaluation",
        "",
        f"{results['images']} images, {results['detections']} detections; the twelve numbers "
        f"differ by {results['largest_difference']:.1g} points at most. "
        "`python -m benchmarks.evaluation`.",
        "",
        *table(["", "median", "faster"], rows),
    ]


def loader_section(found: dict[str, Any]) -> list[str]:
    """Data."""
    results, memory = found["results"], found["results"]["memory_mib"]
    rows = [
        [workers, f"{speed:.1f}", f"{results['share_of_waiting'][workers]:.1%}"]
        for workers, speed in results["images_per_second"].items()
    ]
    return [
        "## Data",
        "",
        machine_line(found) + ". `python -m benchmarks.loader`.",
        "",
        *table(["workers", "images a second", "share of a step that waits"], rows),
        f"Records of {results['records']} images take {memory['packed_once']:.0f} MiB once; a "
        f"worker that has read all of them holds {memory['packed']:.1f} MiB more of its own, and "
        f"{memory['list of dicts']:.0f} MiB if they are a list of dicts.",
        "",
    ]


def operator_section(found: dict[str, Any]) -> list[str]:
    """Deformable attention."""
    lines = [
        "## Deformable attention",
        "",
        machine_line(found) + ". `python -m benchmarks.msda`.",
        "",
    ]
    for title, rows in found["results"].items():
        if isinstance(rows, list):
            cells = [
                [
                    row["name"],
                    f"{row['median_ms']:.1f} ms",
                    f"{row['min_ms']:.1f} ms",
                    f"{row['speedup']:.1f}x",
                ]
                for row in rows
            ]
            lines += table([title, "median", "best", "faster"], cells)
        else:
            values = ", ".join(f"{name} {value:.0f}" for name, value in rows.items())
            lines += [f"{title}: {values}.", ""]
    rows = found["results"].get(OPERATOR.format("forward + backward"), [])
    best = {row["name"]: row["min_ms"] for row in rows}
    return lines + (projections_lines(best) if "module, cpp" in best else [])


def projections_lines(ms: dict[str, float]) -> list[str]:
    """How much of a module fusing cannot touch."""
    whole, fused, unfused = (ms[f"{n}, cpp"] for n in ("module", "fused", "module without fusion"))
    return [
        f"Of the {whole:.0f} ms that a module's forward + backward in the encoder takes at best, "
        f"{whole - fused:.0f} ms are its four projections, matrix products that are the same with "
        "and without fusion. They dilute what fusing wins: at best times the whole module gains "
        f"{unfused / whole:.2f}x. To gain {FUSION_AIM:g}x the fused form would have to take "
        f"{unfused / FUSION_AIM - (whole - fused):.0f} ms; the operator without softmax and "
        f"locations takes {ms['operator, cpp']:.0f} ms.",
        "",
    ]


def draw(results: dict[str, Any], path: Path) -> None:
    """Bars of a step beside the published code and the floor."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 2.6), layout="constrained")
    for axis, phase in zip(axes, ("train", "eval"), strict=True):
        seconds = {row["name"]: row["median_ms"] / 1e3 for row in results[phase]}
        names = ["published code", REFERENCE, FP32, BF16]
        values = [PUBLISHED[phase], *(seconds[name] for name in names[1:])]
        bars = axis.barh(names, values, color=["#999999", "#bbbbbb", "#1f77b4", "#2ca02c"])
        axis.bar_label(bars, fmt="%.1f s", padding=3)
        low, high = (WORK_GFLOP[phase] / speed for speed in reversed(GEMM_GFLOPS))
        axis.axvspan(low, high, color="#d62728", alpha=0.25, label="floor in fp32", zorder=0)
        axis.set_title({"train": "Training step", "eval": "Evaluation"}[phase])
        axis.invert_yaxis()
        axis.set_xlim(right=1.2 * max(values))
        axis.set_xlabel("seconds")
    axes[1].legend(loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def goals_section(found: Found) -> list[str]:
    """Aims and misses."""
    rows = [[*goal[:3], "yes" if goal[3] else "**no**"] for goal in goals(found)]
    return ["## Goals", "", *table(["", "goal", "measured", "reached"], rows)] if rows else []


SECTIONS = {
    "step": step_section,
    "alternatives": alternatives_section,
    "scaling": scaling_section,
    "evaluation": evaluation_section,
    "loader": loader_section,
    "msda": operator_section,
}


def write_report(results: Path, docs: Path) -> None:
    """Write performance.md and its picture from the JSON files in a folder."""
    lines = ["# Performance", ""]
    lines += [
        "Written by `python -m benchmarks.report` from `benchmarks/results/`; measure with the "
        "commands below. Alternatives run in turns. *Published ways* is the same "
        "model with grid_sample, averaged attention weights, unfolded norms, feed-forward blocks "
        "of all rows at once, full-batch costs with cdist and a loss evaluation a layer "
        "(`benchmarks/reference.py`).",
        "",
    ]
    found = {name: read(results, name) for name in SECTIONS}
    if found["step"]:
        draw(found["step"]["results"], docs / PICTURE)
        lines += [f"![seconds of a step]({PICTURE})", ""]
    lines += goals_section(found)
    for name, section in SECTIONS.items():
        lines += section(found[name]) if found[name] else []
    lines += ["## What did not help", "", NO_HELP]
    with atomic_write(docs / "performance.md") as file:
        file.write("\n".join(lines) + "\n")


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/results")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    args = parser.parse_args()
    write_report(args.results, args.docs)
    print(args.docs / "performance.md")


if __name__ == "__main__":
    main()
