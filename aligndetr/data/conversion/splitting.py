"""An undivided dataset into train and val, the same way every time."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter

from aligndetr.data import near_duplicates
from aligndetr.data.formats import Reading
from aligndetr.errors import DataError


class TooFewGroupsError(DataError):
    """The images cannot be divided so that each part gets some."""


def divide(reading: Reading, shares: dict[str, float]) -> dict[str, Reading]:
    """Parts of a dataset with equal shares of each class; images that look alike stay together.

    Groups are taken in the order of a digest of their least file name, which depends neither on the
    order of the images nor on the machine.

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
    ordered = sorted(groups.values(), key=_digest)
    shares = {"train": 1 - sum(shares.values()), **shares}
    parts = _deal(ordered, _classes(reading), shares)
    if empty := [part for part, chosen in parts.items() if not chosen]:
        raise TooFewGroupsError(
            f"{len(images)} images in {len(groups)} groups of near-duplicates leave none for "
            f"{' and '.join(empty)}: choose another share"
        )
    return {part: _only(reading, chosen) for part, chosen in parts.items()}


def _deal(
    groups: list[list[dict]], classes: dict[int, set[int]], shares: dict[str, float]
) -> dict[str, list[dict]]:
    """Images of each part, by iterative stratification (Sechidis et al., ECML 2011).

    The rarest class is dealt out first, a group always to the part that lacks most of it; what has
    no class comes last, to the part with most room.
    """
    held = [Counter(kind for image in group for kind in classes[image["id"]]) for group in groups]
    total = sum(held, Counter())
    size = sum(map(len, groups))
    lacking = {part: {k: share * total[k] for k in total} for part, share in shares.items()}
    room = {part: share * size for part, share in shares.items()}
    dealt: dict[str, list[dict]] = {part: [] for part in shares}
    waiting = list(range(len(groups)))
    for kind in [*sorted(total, key=lambda kind: (total[kind], kind)), None]:
        for number in [n for n in waiting if kind is None or held[n][kind]]:
            part = max(shares, key=lambda part: (lacking[part].get(kind, 0), room[part]))
            dealt[part] += groups[number]
            room[part] -= len(groups[number])
            for other, count in held[number].items():
                lacking[part][other] -= count
            waiting.remove(number)
    return dealt


def _classes(reading: Reading) -> dict[int, set[int]]:
    """Image id -> classes of its objects."""
    found: dict[int, set[int]] = {image["id"]: set() for image in reading.content["images"]}
    for annotation in reading.content["annotations"]:
        found[annotation["image_id"]].add(annotation["category_id"])
    return found


def _digest(group: list[dict]) -> bytes:
    return hashlib.blake2b(min(image["file_name"] for image in group).encode()).digest()


def _only(reading: Reading, images: list[dict]) -> Reading:
    ids = {image["id"] for image in images}
    content = {
        **reading.content,
        "images": [image for image in reading.content["images"] if image["id"] in ids],
        "annotations": [a for a in reading.content["annotations"] if a["image_id"] in ids],
    }
    return dataclasses.replace(reading, content=content)
