"""The train loader: images a second, waiting in a step, memory of a large dataset.

python -m benchmarks.loader
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from aligndetr.benchmark.measure import describe_machine
from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import PACKAGE_FOLDER
from aligndetr.data.dataset import PackedRecords
from benchmarks.measure import write_json
from benchmarks.workload import CONFIGS, make_model, training


def write_images(folder: Path, count: int) -> Path:
    """A COCO json beside JPEG files of 640x480 that compress like photographs."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for index in range(1, count + 1):
        coarse = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
        coarse.resize((640, 480), Image.Resampling.BICUBIC).save(folder / f"{index}.jpg")
        images.append({"id": index, "file_name": f"{index}.jpg", "height": 480, "width": 640})
        for box in ([20, 30, 200, 150], [300, 100, 120, 300]):
            annotation = {"id": len(annotations) + 1, "image_id": index, "bbox": box}
            annotations.append(annotation | {"category_id": 1, "area": box[2] * box[3]})
    path = folder / "annotations.json"
    content = {"images": images, "annotations": annotations}
    path.write_text(json.dumps(content | {"categories": [{"id": 1, "name": "thing"}]}))
    return path


def make_loader(json_file: Path, num_workers: int, batch_size: int) -> Any:
    """The train loader of AlignDETR-R50's config over these images."""
    config = LazyConfig.load(str(PACKAGE_FOLDER / CONFIGS["r50"]))
    options = config.dataloader.train
    options.dataset.json_file = str(json_file)
    options.dataset.image_root = str(json_file.parent)
    options.total_batch_size, options.num_workers, options.seed = batch_size, num_workers, 0
    return instantiate(options)


def images_per_second(json_file: Path, num_workers: int, num_batches: int) -> float:
    """Once the workers run: the first batches are not counted."""
    batches = iter(make_loader(json_file, num_workers, batch_size=2))
    for _ in range(2 + 2 * num_workers):  # what is prefetched would look free
        next(batches)
    start = time.perf_counter()
    for _ in range(num_batches):
        next(batches)
    return 2 * num_batches / (time.perf_counter() - start)


def share_of_waiting(json_file: Path, num_workers: int, model: str, num_steps: int) -> float:
    """Time spent in `next(loader)` by time spent in steps and in it."""
    batches = iter(make_loader(json_file, num_workers, batch_size=1))
    waiting = stepping = 0.0
    network = make_model(model)
    for step in range(num_steps + 1):
        start = time.perf_counter()
        batch = next(batches)
        fetched = time.perf_counter()
        training(network, batch)()
        if step:
            waiting += fetched - start
            stepping += time.perf_counter() - fetched
    return waiting / (waiting + stepping)


def make_records(count: int) -> list[dict[str, Any]]:
    """Records as a dataset has them, 7 objects an image."""
    box = {"category_id": 3, "iscrowd": 0}
    return [
        {
            "file_name": f"/data/train/{i:012}.jpg",
            "image_id": i,
            "height": 480,
            "width": 640,
            "annotations": [
                {"bbox": [i + 0.5, j + 0.5, 9.5, 7.5], "area": 71.25 + i, "id": 7 * i + j, **box}
                for j in range(7)
            ],
        }
        for i in range(count)
    ]


def memory_of_workers(count: int, num_workers: int = 2) -> dict[str, float]:
    """MiB that each worker holds for itself after reading all of `count` records."""
    context = multiprocessing.get_context("fork")
    records = make_records(count)
    packed = PackedRecords(records)
    results = {"packed_once": packed._bytes.numel() / 2**20}
    for label, source in (("list of dicts", records), ("packed", packed)):
        queue = context.Queue()
        workers = [
            context.Process(target=_read_all, args=(source, queue)) for _ in range(num_workers)
        ]
        for worker in workers:
            worker.start()
        results[label] = max(queue.get() for _ in workers)
        for worker in workers:
            worker.join()
    return results


def _read_all(source: Sequence[dict[str, Any]], queue: Any) -> None:
    before = _private_mib()
    total = sum(len(source[index]["annotations"]) for index in range(len(source)))
    assert total == 7 * len(source)
    queue.put(_private_mib() - before)


def _private_mib() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) / 1024


def measure(
    workers: Sequence[int], num_batches: int, model: str, num_steps: int, num_records: int
) -> dict[str, Any]:
    """All of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_images(Path(folder), 32)
        speed = {str(n): images_per_second(path, n, num_batches) for n in workers}
        share = {str(n): share_of_waiting(path, n, model, num_steps) for n in workers}
    return {
        "images_per_second": speed,
        "share_of_waiting": share,
        "memory_mib": memory_of_workers(num_records),
        "records": num_records,
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--quick", action="store_true", help="seconds")
    parser.add_argument("--output", default="benchmarks/results/loader.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(describe_machine())
    if args.quick:
        results = measure([0, 1], 3, "tiny", 1, 2000)
    else:
        results = measure([0, 1, 2], 20, "r50", 1, 100_000)
    print("workers   images/s   share of a step that waits")
    for number, speed in results["images_per_second"].items():
        print(f"{number:>7}{speed:11.1f}{results['share_of_waiting'][number]:14.1%}")
    print(f"MiB per worker for {results['records']} records:", results["memory_mib"])
    write_json(args.output, results)


if __name__ == "__main__":
    main()
