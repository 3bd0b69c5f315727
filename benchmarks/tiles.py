"""AP with tiles and without, on pictures of shapes with four times the sides of the demo set's.

python -m benchmarks.tiles --checkpoint output/aligndetr_tiny/model_final.pth
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from aligndetr.benchmark.measure import describe_machine
from aligndetr.data.demo_shapes import PLAIN, Scene, draw_scene
from aligndetr.evaluation.coco import coco_metrics
from aligndetr.predictor import Predictor
from aligndetr.runtime.prediction.detections import Detections
from aligndetr.runtime.prediction.suppression import Suppression
from aligndetr.runtime.prediction.tiles import TiledDetector, Tiles
from benchmarks.measure import write_json

SIDE, OVERLAP = 192, 0.2  # the largest side of a picture that the model has seen
LOWEST = 0.02  # score below which a detection changes no AP worth telling
LARGE = dataclasses.replace(
    PLAIN, sides=(512, 768), objects=(16, 60), diameters=(13.0, 400.0), clutter=(0, 60), crowd=0.0
)

Detect = Callable[[Sequence[np.ndarray]], Sequence[Detections]]


class Shrunk:
    """A detector of pictures that are made as small as those that the model has seen."""

    def __init__(self, detect: Detect) -> None:
        self.tiled = TiledDetector(detect, Tiles(SIDE, 0.0))

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Detect in each as a whole."""
        return [self.tiled.whole(image) for image in images]


class Suppressed:
    """A detector, and after it, NMS."""

    def __init__(self, detect: Detect, iou: float) -> None:
        self.detect = detect
        self.suppress = Suppression(iou)

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Detect in each."""
        return [self.suppress(found) for found in self.detect(images)]


class Unmerged:
    """A detector in tiles that does not know of their borders: all that is found in any of them."""

    def __init__(self, detect: Detect) -> None:
        self.tiled = TiledDetector(detect, Tiles(SIDE, OVERLAP), lowest=LOWEST)

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Detect in each, in tiles and as a whole."""
        found = ((image.shape[:2], self.tiled.parts(image)[1]) for image in images)
        return [Detections.joined(size, parts) for size, parts in found]


def ways(detect: Detect) -> dict[str, Detect]:
    """What is compared, by name."""
    tiled = TiledDetector(detect, Tiles(SIDE, OVERLAP), lowest=LOWEST)
    return {
        "whole, as it is": detect,
        "whole, shrunk": Shrunk(detect),
        "tiles, only NMS 0.5": Suppressed(Unmerged(detect), 0.5),
        "tiles, merged": tiled,
        "tiles, merged, NMS 0.7": Suppressed(tiled, 0.7),
    }


def make_scenes(count: int) -> list[Scene]:
    """Pictures of 512 to 768 pixels a side; objects of 13 to 400."""
    return [draw_scene(LARGE, np.random.default_rng([9, number])) for number in range(count)]


def ground_truth(scenes: Sequence[Scene]) -> dict[str, list[dict]]:
    """As in a COCO json."""
    categories = [{"id": identity, "name": name} for name, identity in PLAIN.categories.items()]
    images = [
        {"id": number, "height": scene.pixels.shape[0], "width": scene.pixels.shape[1]}
        for number, scene in enumerate(scenes)
    ]
    annotations = [
        {"image_id": number, **entry}
        for number, scene in enumerate(scenes)
        for entry in scene.annotations
    ]
    for identity, entry in enumerate(annotations, start=1):
        entry["id"] = identity
    return {"images": images, "annotations": annotations, "categories": categories}


def results(found: Sequence[Detections]) -> list[dict]:
    """Detections of all pictures in COCO's results format."""
    ids = list(PLAIN.categories.values())
    entries = []
    for number, each in enumerate(found):
        boxes = each.boxes.astype(float)
        boxes[:, 2:] -= boxes[:, :2]
        columns = boxes.tolist(), each.scores.tolist(), each.classes.tolist()
        for box, score, label in zip(*columns, strict=True):
            entry = {"image_id": number, "category_id": ids[label], "bbox": box, "score": score}
            entries.append(entry)
    return entries


def measure(detect: Detect, scenes: Sequence[Scene]) -> list[dict[str, Any]]:
    """AP and time of each way."""
    truth = ground_truth(scenes)
    rows = []
    for name, way in ways(detect).items():
        start = time.perf_counter()
        found = [way([scene.pixels])[0] for scene in scenes]
        seconds = (time.perf_counter() - start) / len(scenes)
        numbers = coco_metrics(truth, results(found), list(PLAIN.categories))
        chosen = {key: numbers[key] for key in ("AP", "AP50", "APs", "APm", "APl")}
        rows.append({"name": name, **chosen, "seconds": seconds})
    return rows


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True, help="of a training of aligndetr_tiny")
    parser.add_argument("--images", type=int, default=30)
    parser.add_argument("--output", default="benchmarks/results/tiles.json")
    args = parser.parse_args()
    print(describe_machine())
    predictor = Predictor("aligndetr_tiny", args.checkpoint)
    rows = measure(predictor.detect, make_scenes(args.images))
    print("| | AP | AP50 | APs | APm | APl | s an image |\n|---|---|---|---|---|---|---|")
    for row in rows:
        numbers = " | ".join(f"{row[key]:.1f}" for key in ("AP", "AP50", "APs", "APm", "APl"))
        print(f"| {row['name']} | {numbers} | {row['seconds']:.2f} |")
    write_json(args.output, {"images": args.images, "side": SIDE, "overlap": OVERLAP, "rows": rows})


if __name__ == "__main__":
    main()
