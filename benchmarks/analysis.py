"""Everything that `aligndetr analyze` computes, on made-up detections of the size of COCO's.

python -m benchmarks.analysis
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from aligndetr.analysis import analyze
from aligndetr.benchmark.measure import describe_machine
from benchmarks.evaluation import make_problem
from benchmarks.measure import write_json


def measure(num_images: int) -> dict[str, Any]:
    """Seconds of one analysis, by the clock and of the processor."""
    truth, detections = make_problem(num_images)
    clock, processor = time.perf_counter(), time.process_time()
    analyze(truth, detections, np.full((num_images, 2), 640))
    return {
        "images": num_images,
        "objects": len(truth["annotations"]),
        "detections": len(detections),
        "seconds": time.perf_counter() - clock,
        "processor_seconds": time.process_time() - processor,
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--quick", action="store_true", help="seconds")
    parser.add_argument("--output", default="benchmarks/results/analysis.json")
    args = parser.parse_args()
    print(describe_machine())
    results = measure(20 if args.quick else args.images)
    print("{images} images, {objects} objects, {detections} detections".format(**results))
    print("{seconds:.1f} s, of the processor {processor_seconds:.1f} s".format(**results))
    write_json(args.output, results)


if __name__ == "__main__":
    main()
