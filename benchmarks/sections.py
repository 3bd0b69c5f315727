"""Sections of docs/performance.md: each from what one benchmark wrote."""

from __future__ import annotations

from typing import Any

from benchmarks.alternatives import TRIED
from benchmarks.step import FP32

QUANTISED = ("backbone", "neck", "encoder")
OPERATOR = "encoder 640x640, forward + backward, float32, 2 threads"


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


def latency_section(found: dict[str, Any]) -> list[str]:
    """Every way to run a model beside the others."""
    from benchmarks.latency import best_of_both, summary

    results = found["results"]
    lines = [f"## Every way to run a model ({results['size']} px, random weights)", ""]
    turns = sorted({min(map(len, runs.values())) for runs in results["runs"].values()})
    lines += [machine_line(found) + ". `python -m benchmarks.latency --threads 2`; medians of "
              f"{' or '.join(map(str, turns))} turns. Rows in bf16 are there if the processor "
              "computes in it: others emulate it, many times slower.", ""]  # fmt: skip
    rows = summary(results)
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == model]
        head = [model, "median", "95 % within", "images/s", f"against {own[0]['name']}"]
        cells = [
            [
                row["name"],
                f"{row['median_ms']:.0f} ms",
                f"{row['p95_ms']:.0f} ms",
                f"{row['images_per_s']:.2f}",
                f"{row['faster']:.2f}x",
            ]
            for row in own
        ]
        lines += table(head, cells)
        if best := best_of_both(results["runs"][model]):
            ours, file, ratio = best
            lines += [f"{ours} is {ratio:.2f}x as fast as the fastest file ({file}).", ""]
    return lines


def parts_section(found: dict[str, Any]) -> list[str]:
    """Where the time goes in each runtime."""
    from benchmarks.parts import PARTS

    results = found["results"]
    size, batch = results["size"], results["batch"]
    lines = [f"## Where the time goes ({size} px, batch {batch}, random weights)", ""]
    lines += [machine_line(found) + ". `python -m benchmarks.parts`. Operators are measured, which "
              "costs time: compare shares.", ""]  # fmt: skip
    names = (*PARTS, "rest")
    rows = [
        [title, *(f"{times[part]:.0f} ms" for part in names), f"{sum(times.values()):.0f} ms"]
        for title, times in results["parts"].items()
    ]
    lines += table(["", *(part.replace("_", " ") for part in names), "all"], rows)
    return [*lines, *quantised_lines(results["parts"]), *bound_lines(results["parts"]), ""]


def quantised_lines(parts: dict[str, dict[str, float]]) -> list[str]:
    """What int8 gains where there are 8 bits; a file in int8 is called like the other, and so."""
    lines = []
    for title, times in parts.items():
        if f"{title}, int8" in parts:
            less = parts[f"{title}, int8"]
            ahead = [times[part] / less[part] for part in QUANTISED]
            gains = [
                f"{gain:.1f}x in the {part}" for part, gain in zip(QUANTISED, ahead, strict=True)
            ]
            lines += [f"- {title}: int8 gains {', '.join(gains)}; it is not in the decoder."]
    return lines


def bound_lines(parts: dict[str, dict[str, float]]) -> list[str]:
    """What a deformable attention without any cost could gain, where decoders alone have it."""
    title = "RT-DETR-R18, OpenVINO"
    if title not in parts:
        return []
    whole, decoder = sum(parts[title].values()), parts[title]["decoder"]
    return [
        f"- {title}: deformable attention is in the decoder alone. Without the whole decoder the "
        f"model would be {whole / (whole - decoder):.2f}x faster, so no operator can make it more; "
        "the rest is convolutions and a linear layer or two. There OpenVINO, which fuses "
        "activations into them, is faster than PyTorch without torch.compile, and PyTorch with our "
        "operator is faster in the decoder.",
    ]


def exports_section(found: dict[str, Any]) -> list[str]:
    """AP and time of one trained detector in each runtime."""
    title, rows = found["results"]["title"], found["results"]["rows"]
    best = rows[0]["AP"]
    lines = [f"## AP lost and time won ({title})", ""]
    lines += [machine_line(found) + ". `python -m benchmarks.exports`: AP of the whole test set, "
              "int8 calibrated on the training set, medians from a decoded image to its "
              "detections, in turns.", ""]  # fmt: skip
    cells = [
        [
            row["name"],
            f"{row['AP']:.2f}",
            f"{round(best - row['AP'], 2) + 0.0:.2f}",  # never -0.00
            f"{row['megabytes']:.1f} MB" if row["megabytes"] else "",
            f"{row['median_ms']:.1f} ms",
            f"{row['faster']:.2f}x",
        ]
        for row in rows
    ]
    return lines + table(["", "AP", "lost", "file", "an image", "faster"], cells)


def step_section(found: dict[str, Any]) -> list[str]:
    """Times of a step, the work in it, and memory."""
    results = found["results"]
    lines = [f"## A step ({results['model']}, one {results['pixels']} px image)", ""]
    lines += [machine_line(found) + ". `python -m benchmarks.step --threads 2`.", ""]
    for phase, title in (("train", "Training step"), ("eval", "Evaluation")):
        rows = [
            [
                row["name"],
                f"{row['median_ms'] / 1e3:.2f} s",
                f"{row['min_ms'] / 1e3:.2f} s",
                f"{row['speedup']:.2f}x",
            ]
            for row in results[phase]
        ]
        lines += table([title, "median", "best", "against published ways"], rows)
        if "matrix products" in results:
            ours = next(row["median_ms"] / 1e3 for row in results[phase] if row["name"] == FP32)
            lines += work_lines(ours, **results["matrix products"][phase])
    return lines + memory_lines(results)


def work_lines(seconds: float, work_gflop: float, gflop_per_s: float) -> list[str]:
    """A step beside the matrix products that the machine could do meanwhile."""
    alone = work_gflop / gflop_per_s
    return [
        f"A large fp32 matrix product, timed in the same turns, reaches {gflop_per_s:.0f} GFLOP/s. "
        f"The matrix products and convolutions of ours, {work_gflop:.0f} GFLOP as PyTorch counts "
        f"them, would take {alone:.2f} s at this rate; ours in fp32 takes {seconds / alone:.2f} "
        "times that. It is a yardstick and no bound: there are convolutions that multiply less "
        "often than is counted.",
        "",
    ]


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
        "Checkpointing is `train.activation_checkpointing=[backbone,encoder,decoder]`. With glibc, "
        "training keeps freed memory for the next step, as page faults cost time; with "
        "checkpointing it gives freed memory back at once instead, at that cost "
        "(`aligndetr/engine/cpu_allocator.py`). Environment variables of malloc, `MALLOC_...`, "
        "have the last word.",
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
        machine_line(found) + ". `python -m benchmarks.evaluation --images 500`.",
        "",
        f"{results['images']} images, {results['detections']} detections; the twelve numbers "
        f"differ by {results['largest_difference']:.1g} points at most.",
        "",
        *table(["time of the processor, all threads", "median", "less"], rows),
    ]


def analysis_section(found: dict[str, Any]) -> list[str]:
    """Everything that `aligndetr analyze` computes."""
    results = found["results"]
    return [
        "## Analysis",
        "",
        machine_line(found) + ". `python -m benchmarks.analysis`.",
        "",
        f"All measures of `aligndetr analyze` on {results['images']} images with "
        f"{results['objects']} objects and {results['detections']} detections: "
        f"{results['processor_seconds']:.0f} s of the processor, {results['seconds']:.0f} s by the "
        "clock, which counts what else the machine did.",
        "",
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
    rows = found["results"].get(OPERATOR, [])
    best = {row["name"]: row["min_ms"] for row in rows}
    return lines + (projections_lines(best) if "module, cpp" in best else [])


def projections_lines(ms: dict[str, float]) -> list[str]:
    """How much of a module fusing cannot touch."""
    whole, fused, unfused = (ms[f"{n}, cpp"] for n in ("module", "fused", "module without fusion"))
    return [
        f"Of the {whole:.0f} ms that a module's forward + backward in the encoder takes at best, "
        f"{whole - fused:.0f} ms are its four projections, matrix products that are the same with "
        "and without fusion. They dilute what fusing wins: at best times the whole module gains "
        f"{unfused / whole:.2f}x.",
        "",
    ]


SECTIONS = {
    "step": step_section,
    "alternatives": alternatives_section,
    "scaling": scaling_section,
    "evaluation": evaluation_section,
    "analysis": analysis_section,
    "loader": loader_section,
    "msda": operator_section,
    "latency": latency_section,
    "parts": parts_section,
    "exports": exports_section,
}
