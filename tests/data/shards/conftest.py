"""Ten images in shards of three or four."""

import pytest

from aligndetr.data import load_dataset
from aligndetr.data.conversion import convert
from aligndetr.data.shards import member

NUMBER = 10
# Ids 1..10, every third one higher than wide; one box each, but for the last image.
IMAGES = [(i, (40, 30) if i % 3 == 0 else (30, 40 + i)) for i in range(1, NUMBER + 1)]
BOXES = [{"image_id": i, "category_id": 1, "bbox": [i, 2, 8, 9]} for i in range(1, NUMBER)]
SHARD_BYTES = 12_000  # a noisy image of 30 x 40 takes about 4 kB, its entry in the tar 6 kB


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(member, "PAUSES_S", (0.0, 0.0))
    monkeypatch.setattr(member, "_given_up", {})


@pytest.fixture
def files(coco_folder):
    """The images as files."""
    return coco_folder(IMAGES, BOXES)


@pytest.fixture
def shards(files, tmp_path):
    """The folder of the same images in shards."""
    convert(files[0], tmp_path / "packed", "shards", shard_bytes=SHARD_BYTES)
    return tmp_path / "packed"


@pytest.fixture
def dataset(shards):
    return load_dataset(None, path=shards)


@pytest.fixture
def url(shards, tmp_path, monkeypatch):
    """Where the shards are, as something that is not this machine's disk."""
    monkeypatch.setenv("ALIGNDETR_SHARD_CACHE", str(tmp_path / "cache"))
    return f"file://{shards}"
