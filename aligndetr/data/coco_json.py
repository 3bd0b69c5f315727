"""COCO annotation files: reading them, and the checks that the loaders and the doctor share."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from aligndetr.data.entries import check_entries
from aligndetr.errors import DataError
from aligndetr.files import check_regular

Content = dict[str, list[dict[str, Any]]]


def read_coco_json(json_file: str | os.PathLike) -> Content:
    """The parsed file; what everything else relies on is there, and is what it should be.

    Returns:
        dict with the lists images, annotations (empty when absent) and categories. Ids and sides
        are int also where the file has 5.0, areas are float.

    Raises:
        DataError: the file is missing, is not JSON (line and column are named), or is not COCO.
        EntriesError: entries are wrong; all of them are in `defects`.
    """
    if not os.path.exists(json_file):
        raise DataError(
            f"annotation file {json_file} does not exist; check json_file, or for a registered "
            "dataset $DETECTRON2_DATASETS (default ./datasets)"
        )
    content = parse_json(json_file)
    if not isinstance(content, dict):
        raise DataError(f"{json_file} holds a {type(content).__name__}, not a COCO dictionary")
    content.setdefault("annotations", [])
    for part in ("images", "categories", "annotations"):
        if not isinstance(content.get(part), list):
            raise DataError(f"{json_file} has no list {part!r}: is it a COCO detection file?")
        if not content[part] and part != "annotations":
            raise DataError(f"{json_file} has no {part}: the list is empty")
        if part == "images":
            _name_images(content[part])
        check_entries(part, content[part], json_file)
    return content


def _name_images(images: list[Any]) -> None:
    """LVIS gives addresses instead of file names: their last two parts, split and file."""
    for image in images:
        if isinstance(image, dict) and isinstance(image.get("coco_url"), str):
            image.setdefault("file_name", "/".join(image["coco_url"].split("/")[-2:]))


def parse_json(path: str | os.PathLike) -> Any:
    """What a JSON file holds, of whatever kind that is; one that ends with .gz is compressed.

    Raises:
        DataError: it cannot be read or parsed; the message says where.
    """
    try:
        check_regular(path)
        content = Path(path).read_bytes()
        if Path(path).suffix == ".gz":
            content = gzip.decompress(content)
        return json.loads(content.decode("utf-8-sig"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path} is truncated or damaged: {error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file: {error}") from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} is not valid JSON: {error.msg} at line {error.lineno}, column "
            f"{error.colno}; was it copied or downloaded completely?"
        ) from error
    except (RecursionError, ValueError) as error:
        raise DataError(
            f"{path} nests too deeply or has a number of thousands of digits"
        ) from error


def repeated(values: Iterable[Any]) -> dict[Any, int]:
    """Values that occur more than once, and how often."""
    return {value: count for value, count in Counter(values).items() if count > 1}


def strangers(content: Content, key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Annotations, and where they are, whose "image_id" or "category_id" is the id of nothing."""
    part = {"image_id": "images", "category_id": "categories"}[key]
    known = {entry["id"] for entry in content[part]}
    for position, annotation in enumerate(content["annotations"]):
        if annotation[key] not in known:
            yield position, annotation


def box_defect(box: list[float]) -> str | None:
    """Why a COCO box has no size: "negative" or "zero"; None for a good one."""
    smallest = min(box[2:])
    if smallest > 0:
        return None
    return "negative" if smallest < 0 else "zero"
