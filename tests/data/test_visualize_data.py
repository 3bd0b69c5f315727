import runpy
from pathlib import Path

import pytest
from PIL import Image

TOOL = Path(__file__).parents[2] / "tools" / "visualize_data.py"

CONFIG = """
from aligndetr.config import LazyCall as L
from aligndetr.data import DetrMapper, build_train_loader, load_dataset
from aligndetr.data import augmentation as T

dataloader = dict(
    train=L(build_train_loader)(
        dataset=L(load_dataset)(names="a", json_file={json!r}, image_root={images!r}),
        mapper=L(DetrMapper)(augmentation=[L(T.Resize)(shape=[500, 600])], image_format="BGR"),
        total_batch_size=2,
        num_workers=4,
    )
)
"""


@pytest.mark.parametrize(("source", "size"), [("dataloader", (600, 500)), ("annotation", None)])
def test_pictures_of_the_training_data(coco_folder, tmp_path, source, size):
    json_file, folder = coco_folder(
        [(1, (500, 490)), (2, (510, 480))], [{"image_id": 1, "category_id": 1, "bbox": [9] * 4}]
    )
    for number in (1, 2):
        with Image.open(folder / f"{number}.png") as image:
            Image.new("RGB", image.size, (200, 10, 10)).save(folder / f"{number}.png")
    config = tmp_path / "config.py"
    config.write_text(CONFIG.format(json=str(json_file), images=str(folder)))
    main = runpy.run_path(str(TOOL))["main"]
    output = tmp_path / "out"
    options = ["--config-file", str(config), "--output-dir", str(output), "--num-images", "2"]
    assert main([*options, "--source", source]) == 0
    pictures = sorted(output.iterdir())
    assert {path.stem.partition("_")[2] for path in pictures} == {"1", "2"}
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.getpixel((300, 300)) == (200, 10, 10)  # red again, although read as BGR
            assert picture.size == (size or {"1": (490, 500), "2": (480, 510)}[path.stem[-1]])
