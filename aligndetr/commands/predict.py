"""`aligndetr predict`: draw what a trained model finds in images.

    aligndetr predict --checkpoint model_final.pth images/ --output out/

Images are files, or folders that are searched with all their subfolders.
Pictures keep the names of the images; `predictions.json` holds the same boxes
in COCO's format.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from aligndetr.commands.arguments import (
    add_checkpoint_arguments,
    add_config_arguments,
    add_output_argument,
    add_trust_argument,
    load_config,
    split_words,
)
from aligndetr.errors import DataError, UserError, some

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"}
JSON_FILE = "predictions.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_config_arguments(parser, others="images or folders")
    add_trust_argument(parser)
    add_checkpoint_arguments(parser, default=None)
    add_output_argument(parser, default="predictions")
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="S",
        help="leave out objects with a lower score (default: those that `aligndetr analyze` stored "
        "in the checkpoint, one a class, else 0.5)",
    )
    parser.add_argument(
        "--calibrated",
        action="store_true",
        help="scores say what IoU to expect, as the checkpoint's calibrator has it",
    )


def run(args: argparse.Namespace) -> int:
    """Draw, and write `predictions.json`.

    Returns:
        1 when an image could not be read, else 0.

    Raises:
        UserError: nothing to read, or config or checkpoint are wrong.
    """
    from aligndetr.predictor import Predictor
    from aligndetr.visualization.predictions import save_picture

    inputs, output = split_words(args).others, Path(args.output)
    jobs, skipped = find_images(map(Path, inputs), output)
    if skipped:
        names = some(path.name for path in skipped)
        print(f"skipped {len(skipped)} files that are no images: {names}")
    if not jobs:
        known = " ".join(sorted(SUFFIXES))
        raise UserError(f"no images in {', '.join(inputs) or 'the command'}; known: {known}")
    config = load_config(args)
    options = {"weights": args.weights, "calibrated": args.calibrated}
    predictor = Predictor(config, args.checkpoint, **options)
    if args.threshold is None and predictor.operating_point is not None:
        print(f"thresholds of the checkpoint: {_thresholds(predictor)}")
    content = CocoPredictions(predictor.class_names, predictor.model.num_classes)
    broken = 0
    for number, (source, target) in enumerate(jobs, start=1):
        try:
            picture, found = _predict(predictor, source, args.threshold)
        except DataError as error:
            broken += 1
            print(f"[{number}/{len(jobs)}] {error}", file=sys.stderr)
            continue
        save_picture(picture, output / target)
        content.add(str(source), found)
        print(f"[{number}/{len(jobs)}] {source}: {len(found)} objects -> {output / target}")
    content.write(output / JSON_FILE)
    print(f"{len(jobs) - broken} images, {broken} unreadable, boxes in {output / JSON_FILE}")
    return 1 if broken else 0


def _thresholds(predictor: Any) -> str:
    """Such as `cat 0.41, dog 0.63 (fitted on kitchen_val)`."""
    point = predictor.operating_point
    names = predictor.class_names or range(len(point.thresholds))
    pairs = zip(names, point.thresholds, strict=True)
    fitted_on = point.data.get("dataset", "unknown data")
    return f"{some([f'{name} {value:.2f}' for name, value in pairs])} (fitted on {fitted_on})"


def _predict(predictor: Any, source: Path, threshold: float | None) -> tuple[Any, Any]:
    """The picture, and the instances that are in it."""
    from aligndetr.predictor import upright_rgb
    from aligndetr.visualization import draw_instances

    image = upright_rgb(source)
    found = predictor.confident(predictor(image), threshold)
    return draw_instances(image, found, predictor.class_names), found


def find_images(paths: Iterable[Path], output: Path) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """What to read, and under which name to write it.

    Args:
        paths: files, taken whatever their suffix, and folders, searched with all subfolders
            for files with the suffix of an image; hidden ones and `output` are passed over.
        output: the folder that pictures are written to.

    Returns:
        Pairs of a file and the path of its picture below `output`, which repeats the subfolders;
        and the files that were passed over because of their suffix.

    Raises:
        UserError: a path does not exist.
    """
    jobs: list[tuple[Path, Path]] = []
    skipped: list[Path] = []
    taken: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist; give image files or folders")
        root = path if path.is_dir() else path.parent
        for file in _files(path, output) if path.is_dir() else [path]:
            if path.is_dir() and file.suffix.lower() not in SUFFIXES:
                skipped.append(file)
                continue
            target = _free_name(file.relative_to(root), taken)
            taken.add(target)
            jobs.append((file, target))
    return jobs, skipped


def _files(folder: Path, output: Path) -> Iterator[Path]:
    outside = output.resolve()
    for file in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.is_file() and not hidden and outside not in file.resolve().parents:
            yield file


def _free_name(name: Path, taken: set[Path]) -> Path:
    """JPEG stays JPEG, everything else becomes PNG; a second picture of a name is numbered."""
    suffix = name.suffix if name.suffix.lower() in (".jpg", ".jpeg") else ".png"
    target, number = name.with_suffix(suffix), 2
    while target in taken:
        target = name.with_name(f"{name.stem}_{number}{suffix}")
        number += 1
    return target


class CocoPredictions:
    """Predictions as a COCO json of their own: images, categories, and annotations with scores.

    Image and category ids count from 1; category id = class index + 1.

    Args:
        class_names: names by class index, or None.
        num_classes: K, used for names when there are none.
    """

    def __init__(self, class_names: list[str] | None, num_classes: int) -> None:
        names = class_names or [str(index) for index in range(num_classes)]
        categories = [{"id": index, "name": name} for index, name in enumerate(names, start=1)]
        self.content: dict[str, list] = {"images": [], "categories": categories, "annotations": []}

    def add(self, file_name: str, instances: Any) -> None:
        """Take the objects of one image, boxes in xyxy pixels."""
        images, annotations = self.content["images"], self.content["annotations"]
        height, width = instances.image_size
        image_id = len(images) + 1
        images.append({"id": image_id, "file_name": file_name, "height": height, "width": width})
        boxes = instances.pred_boxes.tensor.double()
        boxes[:, 2:] -= boxes[:, :2]
        columns = (boxes.tolist(), instances.scores.tolist(), instances.pred_classes.tolist())
        for box, score, index in zip(*columns, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": index + 1,
                    "bbox": [round(value, 2) for value in box],
                    "area": round(box[2] * box[3], 2),
                    "score": round(score, 5),
                    "iscrowd": 0,
                }
            )

    def write(self, path: Path) -> None:
        """Write the json, whole or not at all."""
        from aligndetr.files import atomic_write

        with atomic_write(path) as file:
            file.write(json.dumps(self.content))
