"""Datasets in COCO's form, of noise."""

import json

import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def write_part(folder, split, count, first, boxes, names, size):
    """`count` images with the same boxes, [x, y, width, height, class]; all look different."""
    images, annotations = [], []
    height, width = size
    for number in range(first, first + count):
        coarse = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        picture.save(folder / f"{number:03}.png")
        entry = {"id": number, "file_name": f"{number:03}.png", "height": height, "width": width}
        images.append(entry)
        for *box, kind in boxes(number) if callable(boxes) else boxes:
            annotation = {"id": len(annotations) + 1, "image_id": number, "category_id": kind}
            annotations.append({**annotation, "bbox": box, "area": box[2] * box[3], "iscrowd": 0})
    categories = [{"id": index, "name": name} for index, name in enumerate(names)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / f"{split}.json").write_text(json.dumps(content))


@pytest.fixture
def make_data(tmp_path):
    """A folder with splits of so many images; boxes of 40 x 60 in 320 x 240 unless said."""

    def make(
        name="data", *, boxes=((10, 20, 40, 60, 0),), names=("ant",), size=(240, 320), **splits
    ):
        folder = tmp_path / name
        folder.mkdir()
        first = 0
        for split, count in splits.items():
            write_part(folder, split, count, first, boxes, names, size)
            first += count
        return folder

    return make
