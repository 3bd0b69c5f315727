"""docs/performance.md and its picture, from what the other benchmarks wrote.

python -m benchmarks.report
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from aligndetr.files import atomic_write
from benchmarks.sections import SECTIONS
from benchmarks.step import BF16, FP32, REFERENCE

ROOT = Path(__file__).parent.parent
PICTURE = "pictures/performance.png"
NO_HELP = """\
- **Assignment on threads**: scipy takes a small part of a step, and the table above shows no gain.
- **torch.compile on CPU, in training**: all three parts record as one graph each, but matrix
  products, convolutions and attention go to the same libraries either way. (In detection it helps,
  see above.) `train.compile=[encoder,decoder]` is there for GPUs, where we have not measured it.
- **The box head that moves anchors after the last decoder layer** has no reader. It is three small
  layers; leaving it out would make every refinement rule know which layer is the last.
- **Computing the hidden features of feed-forward blocks again** in the backward pass: those of the
  encoder take 6 layers x 8500 pixels x 2048 x 4 bytes = 0.4 GB. Going through the rows in groups
  avoids as much, of their gradients, without computing anything twice."""


def read(folder: Path, name: str) -> dict[str, Any] | None:
    """The results of a benchmark, None if it was not run."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None


USAGE = """\
## Your own model

```bash
aligndetr benchmark rtdetr_r18_6x                                  # a config, in PyTorch
aligndetr benchmark my_config.py out/model.onnx out/model.xml --size 640 --batch-sizes 1,8
aligndetr benchmark out/model.xml --precision bf16 --threads 4 --json found.json
```

Median, the time that 95 % of the runs did not exceed, images a second, and by how much resident
memory rises during a run beside what the model holds. All that are given run in turns, A B C A B
C, after `--warm-up` turns, so that what else the machine does troubles them alike. A run takes
uint8 images of one size to detections: normalisation and post-processing are in it, decoding and
resizing are not. A config's weights are random; files are those of `aligndetr export`, and one of
fixed size is left out where it does not fit. `--threads` is by default one a core that the process
may use, and the same for every runtime. `--precision bf16` is for PyTorch and OpenVINO; ONNX
Runtime computes as the file has it.

How the ways to run a published model compare on one machine is measured by `python -m
benchmarks.latency --threads 2`, which takes half an hour with all packages, keeps every turn, and
goes on where it was stopped. `python -m benchmarks.parts` was given the two configs and the files
that it left in `output/latency`, each behind a title, such as `"RT-DETR-R18,
OpenVINO=output/latency/rtdetr_r18_6x_openvino_fp32_1x640/model.xml"`.

AP and time of a trained detector, that of [first_detector.md](first_detector.md), are from

```bash
python -m benchmarks.exports \\
  --checkpoint output/first_detector/strides-coarse/seed0/model_final.pth \\
  --title "blood cells, test, 256 px" dataloader.test.dataset.split=test \\
  dataloader.test.mapper.augmentation.0.short_edge_length=256
```"""


def draw(results: dict[str, Any], path: Path) -> None:
    """Bars of a step."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 2.2), layout="constrained")
    for axis, phase in zip(axes, ("train", "eval"), strict=True):
        seconds = {row["name"]: row["median_ms"] / 1e3 for row in results[phase]}
        names = [REFERENCE, FP32, BF16]
        values = [seconds[name] for name in names]
        bars = axis.barh(names, values, color=["#bbbbbb", "#1f77b4", "#2ca02c"])
        axis.bar_label(bars, fmt="%.1f s", padding=3)
        axis.set_title({"train": "Training step", "eval": "Evaluation"}[phase])
        axis.invert_yaxis()
        axis.set_xlim(right=1.2 * max(values))
        axis.set_xlabel("seconds")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


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
    for name, section in SECTIONS.items():
        lines += section(found[name]) if found[name] else []
    lines += [USAGE, "", "## What did not help", "", NO_HELP]
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
