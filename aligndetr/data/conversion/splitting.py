"""An undivided dataset into train and val, the same way every time."""

from __future__ import annotations

import dataclasses
import hashlib

from aligndetr.data import near_duplicates
from aligndetr.data.formats import Reading
from aligndetr.errors import DataError


class TooFewGroupsError(DataError):
    """The images cannot be divided so that each part gets some."""


def divide(reading: Reading, shares: dict[str, float]) -> dict[str, Reading]:
    """Parts of a dataset; images that look alike stay together.

    Groups are taken in the order of a digest of their first file name, which has nothing to do
    with the order of the files and is the same on every machine.

    Args:
        reading: all of it.
        shares: part -> share of the images, such as {"val": 0.2}; the rest is "train".

    Raises:
        TooFewGroupsError: the shares leave nothing for a part.
        DataError: images cannot be read.
    """
    images = reading.content["images"]
    paths = [reading.image_root / image["file_name"] for image in images]
    groups: dict[int, list[dict]] = {}
    for number, image in zip(
        near_duplicates.group(near_duplicates.hash_files(paths)), images, strict=True
    ):
        groups.setdefault(int(number), []).append(image)
    waiting = sorted(groups.values(), key=lambda group: _digest(group[0]["file_name"]))
    parts: dict[str, list[dict]] = {}
    for part, share in shares.items():
        parts[part] = []
        while waiting and len(parts[part]) < round(share * len(images)):
            parts[part] += waiting.pop()
    parts = {"train": [image for group in waiting for image in group], **parts}
    if empty := [part for part, chosen in parts.items() if not chosen]:
        raise TooFewGroupsError(
            f"{len(images)} images in {len(groups)} groups of near-duplicates leave none for "
            f"{' and '.join(empty)}: choose another share"
        )
    return {part: _only(reading, chosen) for part, chosen in parts.items()}


def _digest(file_name: str) -> bytes:
    return hashlib.blake2b(file_name.encode()).digest()


def _only(reading: Reading, images: list[dict]) -> Reading:
    ids = {image["id"] for image in images}
    content = {
        **reading.content,
        "images": [image for image in reading.content["images"] if image["id"] in ids],
        "annotations": [a for a in reading.content["annotations"] if a["image_id"] in ids],
    }
    return dataclasses.replace(reading, content=content)
