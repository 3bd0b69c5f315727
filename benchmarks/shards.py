"""Shards against image files, where the time of an image goes, and decoding to a part of its size.

python -m benchmarks.shards

Ways are measured in turn, in this process (one core), so that what else runs on the machine meets
all of them. A cold cache is the files' pages given back to the system before each pass.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from aligndetr.data import DetrMapper, build_train_loader, load_dataset, read_image
from aligndetr.data import augmentation as T
from aligndetr.data.conversion import convert
from aligndetr.data.images import read_file
from aligndetr.structures import ImageBatch
from benchmarks.measure import describe_machine, write_json

SHORT_EDGE, MAX_SIZE = 800, 1333


def write_photos(folder: Path, sizes: Sequence[tuple[int, int]]) -> Path:
    """A COCO json beside JPEG files of (width, height) that compress like photographs."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for index, (width, height) in enumerate(sizes, start=1):
        coarse = rng.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
        smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        smooth.save(folder / f"{index}.jpg", quality=90)
        images.append({"id": index, "file_name": f"{index}.jpg", "height": height, "width": width})
        box = [width // 4, height // 4, width // 2, height // 2]
        annotations.append(
            {"id": index, "image_id": index, "category_id": 1, "bbox": box, "iscrowd": 0}
        )
    path = folder / "annotations.json"
    content = {"images": images, "annotations": annotations}
    path.write_text(json.dumps(content | {"categories": [{"id": 1, "name": "thing"}]}))
    return path


def forget(folder: Path) -> None:
    """Give the pages of a folder's files back, so that they are read from the disk again."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def ratios(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median over the rounds of each way's time by that of the first way in the same round."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if number:  # the first round warms up
                times[name].append(time.perf_counter() - start)
    first = times[next(iter(ways))]
    return {
        name: statistics.median(own / base for own, base in zip(found, first, strict=True))
        for name, found in times.items()
    }


def compare_sources(folder: Path, number: int, rounds: int) -> dict[str, dict[str, float]]:
    """Time of an epoch of the train loader, and of reading bytes alone, by that from files."""
    loose, packed = folder / "loose", folder / "packed"
    loose.mkdir()
    path = write_photos(loose, [(1280, 960)] * number)
    convert(path, packed, "shards", shard_bytes=8_000_000)
    mapper = DetrMapper([T.ResizeShortestEdge(SHORT_EDGE, MAX_SIZE)])
    datasets = {
        "image files": load_dataset(None, json_file=path, image_root=loose),
        "shards": load_dataset(None, path=packed),
    }

    def epoch(name: str, buffer: int | None = None) -> None:
        loader = build_train_loader(datasets[name], mapper, 1, 0, shuffle_buffer=buffer)
        for _, _ in zip(range(number), loader, strict=False):
            pass

    def read(name: str, order: Sequence[int]) -> None:
        for index in order:
            read_file(datasets[name][index]["file_name"])

    drawn = np.random.default_rng(0).permutation(number).tolist()
    in_turn = datasets["shards"].layout.in_order().tolist()
    epochs = {
        "image files": lambda: epoch("image files"),
        "shards": lambda: epoch("shards"),
        "shards, shuffle_buffer=8": lambda: epoch("shards", 8),
    }
    reads = {
        "image files": lambda: read("image files", drawn),
        "shards": lambda: read("shards", drawn),
        "shards in turn": lambda: read("shards", in_turn),
    }
    return {
        "epoch, warm": ratios(epochs, rounds),
        "epoch, cold": ratios(_cold(epochs, folder), rounds),
        "bytes, warm": ratios(reads, rounds),
        "bytes, cold": ratios(_cold(reads, folder), rounds),
    }


def _cold(ways: dict[str, Callable[[], Any]], folder: Path) -> dict[str, Callable[[], Any]]:
    def after_forgetting(way: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: (forget(folder), way())

    return {name: after_forgetting(way) for name, way in ways.items()}


def profile_steps(folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Share of each step from file to batch, for photographs of 1 and 2 megapixels."""
    found = {}
    resize, rng = T.ResizeShortestEdge(SHORT_EDGE, MAX_SIZE), np.random.default_rng(0)
    for label, size in {"1 megapixel": (1152, 864), "2 megapixels": (1632, 1224)}.items():
        place = folder / label
        place.mkdir()
        write_photos(place, [size] * 4)
        files = [place / f"{number}.jpg" for number in range(1, 5)]
        pixels = [read_image(path) for path in files]
        small = [resize.get_transform(p, rng).apply_image(p) for p in pixels]
        tensors = [torch.from_numpy(p.transpose(2, 0, 1).copy()) for p in small]
        floats = [tensor.float() for tensor in tensors]
        steps = {
            "decode": lambda files=files: [read_image(path) for path in files],
            "read": lambda files=files: [read_file(path) for path in files],
            "resize": lambda pixels=pixels: [
                resize.get_transform(p, rng).apply_image(p) for p in pixels
            ],
            "to a tensor": lambda small=small: [
                torch.from_numpy(np.ascontiguousarray(p.transpose(2, 0, 1))) for p in small
            ],
            "collate, uint8": lambda tensors=tensors: ImageBatch.from_images(tensors),
            "collate, float32": lambda floats=floats: ImageBatch.from_images(floats),
        }
        found[label] = ratios(steps, rounds)
    return found


def draft_gain(folder: Path, rounds: int) -> dict[str, float]:
    """How many times faster an item is with decode_short_edge=800, by megapixels."""
    found = {}
    for label, size in {"2": (1632, 1224), "8": (3264, 2448), "12": (4000, 3000)}.items():
        place = folder / f"draft_{label}"
        place.mkdir()
        dataset = load_dataset(None, json_file=write_photos(place, [size] * 2), image_root=place)
        steps = [T.ResizeShortestEdge(SHORT_EDGE, MAX_SIZE)]
        plain, draft = DetrMapper(steps), DetrMapper(steps, decode_short_edge=SHORT_EDGE)
        ways = {
            "draft": lambda data=dataset, mapper=draft: [mapper(record) for record in data],
            "plain": lambda data=dataset, mapper=plain: [mapper(record) for record in data],
        }
        found[label] = ratios(ways, rounds)["plain"]
    return found


def measure(number: int, rounds: int) -> dict[str, Any]:
    """All of it."""
    with tempfile.TemporaryDirectory() as folder:
        return {
            "sources": compare_sources(Path(folder), number, rounds),
            "steps": profile_steps(Path(folder), rounds),
            "draft": draft_gain(Path(folder), rounds),
        }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds")
    parser.add_argument("--output", default="benchmarks/results/shards.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(describe_machine())
    results = measure(4, 1) if args.quick else measure(10, 5)
    for title, found in (results["sources"] | results["steps"]).items():
        print(f"{title}: " + ", ".join(f"{name} {ratio:.3f}" for name, ratio in found.items()))
    print("times faster with decode_short_edge=800, by megapixels:", results["draft"])
    write_json(args.output, results)


if __name__ == "__main__":
    main()
