"""The folder in which a reader of the documentation would be, after the pages' longer commands."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image

from aligndetr.data.demo_shapes import SPLITS
from aligndetr.data.demo_shapes.splits import write_split
from tests.documentation.running import run_command

KITCHEN = ["cat", "cup", "fork", "knife", "plate", "spoon"]
COPIES = ["tiny", "bccd", "my_data", "cells", "b"]
OTHERS = {  # runs that differ in one value
    "a": (r"(?m)^  lr: .*", "  lr: 0.0001"),
    **{
        f"{name}_seed{n}": (r"(?m)^  seed: .*", f"  seed: {n}")
        for name in ("dino", "align")
        for n in (0, 1)
    },
}


@pytest.fixture(scope="module")  # other folders of tests need the whole demo set
def small_demo():
    """The demo set has four images a split, so that a training of any length is a short one."""
    before = dict(SPLITS)
    SPLITS.update({name: dataclasses.replace(s, num_images=4) for name, s in before.items()})
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    SPLITS.update(before)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, small_demo):
    """Data, images, and a training of two steps under every name that the pages use."""
    folder = tmp_path_factory.mktemp("documentation")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.chdir(folder)
        patch.delenv("DETECTRON2_DATASETS", raising=False)
        patch.setenv("XDG_CONFIG_HOME", str(folder / "settings"))
        write_kitchen(Path("kitchen"))
        write_kitchen(Path("more"))
        write_split(Path("photos"), dataclasses.replace(SPLITS["shapes_train"], num_images=12))
        write_images(Path())
        run_command("aligndetr convert-data kitchen bccd --to voc")
        run_command("aligndetr train aligndetr_tiny dataloader.train.dataset.path=kitchen")
    run = folder / "output/aligndetr_tiny"
    for name in ("model_best.pth", "model_0000999.pth"):
        shutil.copy(run / "model_final.pth", run / name)
    for name in ("model_final.pth", "dino_r50_4scale_12ep.pth", "output/model_final.pth"):
        shutil.copy(run / "model_final.pth", folder / name)
    for name in (*COPIES, *OTHERS):
        shutil.copytree(run, folder / "output" / name, copy_function=os.link)
    for name, (pattern, value) in OTHERS.items():
        config = folder / "output" / name / "config.yaml"
        text = re.sub(pattern, value, config.read_text())
        config.unlink()
        config.write_text(text)
    return folder


def write_kitchen(folder: Path) -> None:
    """COCO files of four images each, all images in one folder."""
    (folder / "images").mkdir(parents=True)
    for part, split in {
        "train": "shapes_train",
        "val": "shapes_val",
        "test": "shapes_mini_val",
    }.items():
        drawn = folder / part
        write_split(drawn, SPLITS[split])
        content = json.loads((drawn / "instances.json").read_text())
        for category, name in zip(content["categories"], KITCHEN, strict=True):
            category["name"] = name
        for image in content["images"]:
            renamed = f"{part}_{image['file_name']}"
            (drawn / "images" / image["file_name"]).rename(folder / "images" / renamed)
            image["file_name"] = renamed
        (folder / f"{part}.json").write_text(json.dumps(content))
        shutil.rmtree(drawn)


def write_images(folder: Path) -> None:
    """A photograph under every name that the pages use."""
    photos = sorted(Path("kitchen/images").glob("*.png"))[:2]
    (folder / "images").mkdir()
    for photo in photos:
        shutil.copy(photo, folder / "images")
    for name in ("image.png", "image.jpg", "photo.jpg", "street.jpg", "aerial.tif"):
        Image.open(photos[0]).convert("RGB").save(folder / name)


@pytest.fixture
def reader(prepared, tmp_path, monkeypatch):
    """The present folder is a copy of the prepared one."""
    folder = tmp_path / "reader"
    shutil.copytree(prepared, folder, copy_function=os.link)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DETECTRON2_DATASETS", raising=False)
    monkeypatch.syspath_prepend(folder)
    return folder
