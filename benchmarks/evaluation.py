"""COCO's numbers: our evaluator against pycocotools, on made-up detections.

python -m benchmarks.evaluation
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import time
from typing import Any

import numpy as np

from aligndetr.benchmark.measure import alternate, describe_machine
from aligndetr.evaluation.coco import coco_metrics
from benchmarks.measure import summarise, write_json

OURS, REFERENCE = "ours", "pycocotools"
NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]


def make_problem(num_images: int, num_classes: int = 80) -> tuple[dict[str, Any], list[dict]]:
    """Ground truth and detections: 7 objects an image, 3 near hits of each, 100 random boxes."""
    rng = np.random.default_rng(0)
    annotations, detections = [], []
    for image in range(1, num_images + 1):
        boxes = np.concatenate([rng.uniform(0, 400, (7, 2)), rng.uniform(5, 200, (7, 2))], axis=1)
        labels = rng.integers(1, num_classes + 1, 7)
        for box, label in zip(boxes.tolist(), labels.tolist(), strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": label,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
        hits = np.repeat(boxes, 3, axis=0) + rng.normal(0, 8, (21, 4))
        noise = np.concatenate([rng.uniform(0, 400, (100, 2)), rng.uniform(5, 200, (100, 2))], 1)
        found = np.concatenate([hits, noise]).clip(min=1)
        kinds = np.concatenate([np.repeat(labels, 3), rng.integers(1, num_classes + 1, 100)])
        scores = rng.uniform(0, 1, len(found))
        columns = (found.tolist(), kinds.tolist(), scores.tolist())
        detections += [
            {"image_id": image, "bbox": box, "category_id": kind, "score": score}
            for box, kind, score in zip(*columns, strict=True)
        ]
    truth = {
        "images": [{"id": image} for image in range(1, num_images + 1)],
        "annotations": annotations,
        "categories": [{"id": i, "name": f"c{i}"} for i in range(1, num_classes + 1)],
    }
    return truth, detections


def by_pycocotools(truth: dict[str, Any], detections: list[dict]) -> dict[str, float]:
    """The twelve numbers in percent."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"info": {}, **truth}
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes([dict(d) for d in detections]), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(NAMES, (100 * evaluation.stats).tolist(), strict=True))


def by_us(truth: dict[str, Any], detections: list[dict]) -> dict[str, float]:
    """The same and the AP of every class."""
    return coco_metrics(truth, detections, [c["name"] for c in truth["categories"]])


def largest_difference(truth: dict[str, Any], detections: list[dict]) -> float:
    """Between the two, over the twelve numbers, in percent points; inf where only one is NaN."""
    ours, theirs = by_us(truth, detections), by_pycocotools(truth, detections)
    differences = [0.0]
    for name in NAMES:
        if math.isnan(ours[name]) or theirs[name] < 0:
            differences.append(0.0 if math.isnan(ours[name]) and theirs[name] < 0 else math.inf)
        else:
            differences.append(abs(ours[name] - theirs[name]))
    return max(differences)


def measure(num_images: int, repeats: int) -> dict[str, Any]:
    """Times of the processor side by side, and whether the numbers agree."""
    problem = make_problem(num_images)
    runs = {REFERENCE: lambda: by_pycocotools(*problem), OURS: lambda: by_us(*problem)}
    return {
        "images": num_images,
        "detections": len(problem[1]),
        "rows": summarise(alternate(runs, repeats, clock=time.process_time), REFERENCE),
        "largest_difference": largest_difference(*problem),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="seconds")
    parser.add_argument("--output", default="benchmarks/results/evaluation.json")
    args = parser.parse_args()
    print(describe_machine())
    results = measure(20 if args.quick else args.images, args.repeats)
    print(f"{results['images']} images, {results['detections']} detections")
    for row in results["rows"]:
        print(f"  {row['name']:14}{row['median_ms'] / 1e3:8.2f}s{row['speedup']:8.1f}x")
    print(f"largest difference of the twelve numbers: {results['largest_difference']:.3g}")
    write_json(args.output, results)


if __name__ == "__main__":
    main()
