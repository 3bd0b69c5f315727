#!/usr/bin/env python
"""Write pictures of what a config trains on, with boxes and class names.

    python tools/visualize_data.py --config-file aligndetr_tiny --output-dir output/data

draws images as the model gets them, after augmentation; `--source annotation` draws them as they
are in the dataset. Overrides follow at the end: `dataloader.train.dataset.names=shapes_val`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.resolve import resolve_config
from aligndetr.data import DetrMapper
from aligndetr.errors import UserError
from aligndetr.files import atomic_write
from aligndetr.visualization.draw import draw_instances


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--config-file", required=True, metavar="CONFIG", help="path or name")
    parser.add_argument(
        "--source",
        choices=("dataloader", "annotation"),
        default="dataloader",
        help="as the model gets them (default), or as they are in the dataset",
    )
    parser.add_argument("--output-dir", default="output/data", metavar="DIR")
    parser.add_argument("--num-images", type=int, default=20, metavar="N")
    parser.add_argument("opts", nargs="*", metavar="KEY=VALUE", help="overrides of the config")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Write the pictures and say where they are."""
    args = parse_arguments(arguments)
    config = LazyConfig.load(resolve_config(args.config_file))
    LazyConfig.apply_overrides(config, [*args.opts, "dataloader.train.num_workers=0"])
    loader = instantiate(config.dataloader.train)
    mapper = instantiate(config.dataloader.train.mapper)
    bgr = mapper.image_format == "BGR"
    if args.source == "annotation":
        unchanged = DetrMapper([], image_format=mapper.image_format)
        items = (unchanged(record) for record in loader.dataset)
    else:
        items = _items_of(loader)
    folder = Path(args.output_dir)
    for number, item in enumerate(islice(items, args.num_images)):
        image = item["image"].permute(1, 2, 0).numpy()
        picture = draw_instances(
            image[:, :, ::-1] if bgr else image, item["instances"], loader.dataset.class_names
        )
        name = f"{number:04d}_{Path(item['file_name']).stem}.png"
        with atomic_write(folder / name, "wb") as file:
            picture.save(file, format="PNG")
    print(f"pictures of {loader.dataset.name} -> {folder}")
    return 0


def _items_of(loader: Any) -> Iterator[dict[str, Any]]:
    for batch in loader:
        yield from batch


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
