import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def coco_folder(tmp_path):
    """Writes `annotations.json` and `images/` and returns their paths; images are grey noise."""

    def write(images, annotations, categories=((3, "car"), (1, "person"), (17, "cat"))):
        folder = tmp_path / "images"
        folder.mkdir(exist_ok=True)
        entries = []
        for identity, (height, width) in images:
            pixels = np.random.default_rng(identity).integers(0, 256, (height, width, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{identity}.png")
            entries.append(
                {"id": identity, "file_name": f"{identity}.png", "height": height, "width": width}
            )
        content = {
            "images": entries,
            "annotations": [
                {"id": number, "iscrowd": 0, **annotation}
                for number, annotation in enumerate(annotations, start=1)
            ],
            "categories": [{"id": identity, "name": name} for identity, name in categories],
        }
        path = tmp_path / "annotations.json"
        path.write_text(json.dumps(content))
        return path, folder

    return write
