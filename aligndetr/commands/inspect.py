"""`aligndetr inspect`: which queries answer for which objects, where they look.

    aligndetr inspect --checkpoint best.pth --image-id 3 --output look/

Writes `matches.png` (matched queries and reference boxes of every layer),
`sampling.png` (sampling points of one query) and `inspect.html`, where layers
and queries can be chosen. Layers count from 1; 0 are the encoder's proposals.
Matching needs ground truth: images come from the config's test dataset, from
--dataset, or from --image with --json-file. An --image without annotations
shows the detections of the last layer instead, followed through the layers.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aligndetr.commands.arguments import (
    add_checkpoint_arguments,
    add_config_arguments,
    add_output_argument,
    add_threshold_argument,
    add_trust_argument,
    load_config,
    split_words,
)
from aligndetr.errors import ConfigError, DataError, UserError

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from torch import nn

    from aligndetr.data.dataset import DetectionDataset
    from aligndetr.explanation.inspection import Inspection, LayerView

MATCHES, SAMPLING, PAGE = "matches.png", "sampling.png", "inspect.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config_arguments(parser)
    add_trust_argument(parser)
    add_checkpoint_arguments(parser, default="train.init_checkpoint, or random weights")
    add = parser.add_argument
    add("--image-id", type=int, metavar="N", help="image of the dataset (default: the first one)")
    add("--dataset", metavar="NAME", help="default: that of the config's dataloader.test")
    add("--image", metavar="FILE", type=Path, help="an image file instead of the dataset's")
    add("--json-file", metavar="JSON", help="COCO annotations that contain --image")
    add("--query", type=int, metavar="N", help="whose sampling points (default: a matched one)")
    add("--layer", type=int, metavar="I", help="draw only this layer in the PNGs")
    add_threshold_argument(parser, 0.3, only="without ground truth: ")
    add_output_argument(parser, default="inspection")


def run(args: argparse.Namespace) -> int:
    """Look into the model and write what is seen.

    Raises:
        UserError: no such image, query or layer, or config, data or checkpoint are wrong.
    """
    from aligndetr.config import instantiate
    from aligndetr.explanation.inspection_record import inspect_record

    config = load_config(args)
    dataset, record = _find_record(args, config)
    model = _load_model(args, config, dataset)
    mapper = instantiate(config.dataloader.test.mapper)
    inspection = inspect_record(model, mapper, record, args.threshold)
    number = f" (id {record['image_id']})" if "image_id" in record else ""
    file = Path(record["file_name"]).name
    title = f"{Path(split_words(args).config or args.checkpoint).stem} on {file}{number}"
    _write(inspection, args, title)
    return 0


def _find_record(
    args: argparse.Namespace, config: DictConfig
) -> tuple[DetectionDataset | None, dict[str, Any]]:
    """The image, with `annotations` if there are some, and the dataset that knows its classes."""
    from aligndetr.config import instantiate
    from aligndetr.data.dataset import load_dataset

    if args.image is None:
        if args.json_file:
            raise UserError("--json-file describes --image: give both")
        node = config.dataloader.test.dataset
        dataset = load_dataset(args.dataset) if args.dataset else instantiate(node)
        return dataset, _record_by_id(dataset, args.image_id)
    if args.image_id is not None or args.dataset:
        raise UserError("--image is a file; leave out --image-id and --dataset")
    if not args.json_file:
        return None, {"file_name": args.image}
    image = Path(args.image)
    dataset = load_dataset(None, json_file=args.json_file, image_root=image.parent)
    for record in dataset:
        if Path(record["file_name"]).resolve() == image.resolve():
            return dataset, record
    raise DataError(f"{args.json_file} has no image {image.name}")


def _record_by_id(dataset: DetectionDataset, image_id: int | None) -> dict[str, Any]:
    for record in dataset:
        if image_id in (None, record["image_id"]):
            return record
    ids = ", ".join(str(record["image_id"]) for record in islice(dataset, 5))
    raise DataError(f"{dataset.name} has no image with id {image_id}; its first ids are {ids}")


def _load_model(
    args: argparse.Namespace, config: DictConfig, dataset: DetectionDataset | None
) -> nn.Module:
    from aligndetr.engine.model import load_model

    checkpoint = args.checkpoint or config.train.get("init_checkpoint") or None
    if not checkpoint:
        if dataset is None:
            raise ConfigError("an image file alone says nothing about classes: give --checkpoint")
        print("no --checkpoint: the weights are random, and so is what they see")
    names = None if dataset is None else dataset.class_names
    return load_model(config, checkpoint, names, args.weights)


def _write(inspection: Inspection, args: argparse.Namespace, title: str) -> None:
    """All files; wrong requests fail before the first one is written."""
    from aligndetr.explanation.inspection_matches_picture import draw_matches
    from aligndetr.explanation.inspection_page import inspection_page
    from aligndetr.explanation.inspection_sampling_picture import check_query, draw_sampling
    from aligndetr.files import atomic_write

    layers = _chosen(inspection, args.layer)
    query = inspection.favourite() if args.query is None else args.query
    if args.query is not None:
        check_query(inspection.sampled, args.query)
    output = Path(args.output)
    for note in inspection.notes:
        print(f"note: {note}")
    for layer in layers:
        print(_line(inspection, layer))
    draw_matches(inspection, output / MATCHES, layers, title)
    written = [MATCHES]
    if query is not None and any(layer.sampling for layer in layers):
        draw_sampling(inspection, query, output / SAMPLING, layers)
        written.append(SAMPLING)
    with atomic_write(output / PAGE) as file:
        file.write(inspection_page(inspection, title, query))
    print(f"{', '.join([*written, PAGE])} in {output}")


def _chosen(inspection: Inspection, index: int | None) -> list[LayerView]:
    layers = [layer for layer in inspection.layers if index in (None, layer.index)]
    if not layers:
        known = ", ".join(str(layer.index) for layer in inspection.layers)
        raise UserError(f"there is no layer {index}; layers are {known}")
    return layers


def _line(inspection: Inspection, layer: LayerView) -> str:
    told = f"queries for {len(inspection.things)} objects, mean IoU"
    told = told if inspection.has_truth else "detections, IoU with the last layer"
    return f"{layer.name}: {len(layer.pairs)} {told} {layer.mean_iou:.2f}"
