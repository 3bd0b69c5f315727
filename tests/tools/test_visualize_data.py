import json
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


SIZES = {"1": (490, 500), "2": (480, 510)}


@pytest.fixture
def config(tmp_path):
    """Two red images, the first with an object, read as BGR and resized to 600 x 500."""
    (tmp_path / "images").mkdir()
    for name, size in SIZES.items():
        Image.new("RGB", size, (200, 10, 10)).save(tmp_path / "images" / f"{name}.png")
    images = [
        {"id": int(name), "file_name": f"{name}.png", "width": size[0], "height": size[1]}
        for name, size in SIZES.items()
    ]
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [9, 9, 9, 9], "iscrowd": 0}
    content = {"images": images, "annotations": [box], "categories": [{"id": 1, "name": "cat"}]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    text = CONFIG.format(json=str(tmp_path / "a.json"), images=str(tmp_path / "images"))
    (tmp_path / "config.py").write_text(text)
    return str(tmp_path / "config.py")


@pytest.mark.parametrize("flag", ["--output", "--output-dir"])
@pytest.mark.parametrize(("source", "size"), [("dataloader", (600, 500)), ("annotation", None)])
def test_pictures_of_the_training_data(config, tmp_path, source, size, flag):
    main = runpy.run_path(str(TOOL))["main"]
    output = tmp_path / "out"
    options = ["--config-file", config, flag, str(output), "--num-images", "2"]
    assert main([*options, "--source", source]) == 0
    pictures = sorted(output.iterdir())
    assert {path.stem.partition("_")[2] for path in pictures} == {"1", "2"}
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.getpixel((300, 300)) == (200, 10, 10)  # red again, although read as BGR
            assert picture.size == (size or SIZES[path.stem[-1]])


def test_mistakes_end_in_a_sentence(config, capsys):
    main = runpy.run_path(str(TOOL))["main"]
    assert main([config, "dataloader.train.total_batchsize=2"]) == 2
    assert "did you mean dataloader.train.total_batch_size?" in capsys.readouterr().err
