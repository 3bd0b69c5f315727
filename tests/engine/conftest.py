import json
import random

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.structures import Boxes, Instances


class ToyDetector(nn.Module):
    """Predicts one box and one number from an image's mean colour; the contract of a Detector."""

    def __init__(self, dropout=0.0, norm=False):
        super().__init__()
        self.hidden = nn.Linear(3, 8)
        self.norm = nn.BatchNorm1d(8) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(8, 5)
        self.class_names = None
        self.dtypes = []

    def forward(self, batched_inputs, num_boxes=None):
        colours = torch.stack([x["image"].float().mean((1, 2)) / 255 for x in batched_inputs])
        hidden = self.hidden(colours)
        self.dtypes.append(hidden.dtype)
        out = self.out(self.dropout(self.norm(hidden.relu()))).float()
        if not self.training:
            pairs = zip(out, batched_inputs, strict=True)
            return [{"instances": self._instances(row, item)} for row, item in pairs]
        objects = sum(len(x["instances"]) for x in batched_inputs)
        box = label = out.sum() * 0
        for row, item in zip(out, batched_inputs, strict=True):
            target = item["instances"]
            box = box + (row[:4] - target.gt_boxes.tensor / 10).abs().sum()
            label = label + (row[4] - target.gt_classes.float()).square().sum()
        num_boxes = max(objects, 1) if num_boxes is None else num_boxes
        return {"loss_bbox": box / num_boxes, "loss_class": label / num_boxes}

    def _instances(self, row, item):
        boxes = Boxes(row[None, :4].detach().abs())
        return Instances(
            (item["height"], item["width"]),
            pred_boxes=boxes,
            scores=torch.ones(1),
            pred_classes=torch.zeros(1, dtype=torch.int64),
        )


def toy_item(index, objects):
    rng = torch.Generator().manual_seed(index)
    start = torch.rand(objects, 2, generator=rng) * 5
    size = torch.rand(objects, 2, generator=rng) * 4 + 1
    return {
        "image": torch.randint(0, 256, (3, 10, 12), dtype=torch.uint8, generator=rng),
        "image_id": index,
        "file_name": f"image_{index}.png",
        "height": 10,
        "width": 12,
        "instances": Instances(
            (10, 12),
            gt_boxes=Boxes(torch.cat([start, start + size], dim=1)),
            gt_classes=torch.randint(0, 3, (objects,), generator=rng),
        ),
    }


class ToyLoader:
    """Endless, resumable; images have 0 to 3 objects; uses the global random generators too."""

    def __init__(self, batch_size=4, fail_at=None):
        self.batch_size = batch_size
        self.consumed = 0
        self.fail_at = fail_at

    def __iter__(self):
        while True:
            if self.consumed == self.fail_at:
                raise OSError("the disk is gone")
            self.consumed += 1
            noise = random.random() + np.random.rand()
            batch = [
                toy_item(self.consumed * self.batch_size + i, (self.consumed + i) % 4)
                for i in range(self.batch_size)
            ]
            batch[0]["image"] = (batch[0]["image"].float() * (1 - noise / 4)).to(torch.uint8)
            yield batch

    def state_dict(self):
        return {"consumed": self.consumed}

    def load_state_dict(self, state):
        self.consumed = state["consumed"]


@pytest.fixture(autouse=True)
def one_thread():
    """Tensors here are too small for more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def toy_detector():
    def make(seed=0, **arguments):
        torch.manual_seed(seed)
        return ToyDetector(**arguments)

    return make


@pytest.fixture
def toy_loader():
    return ToyLoader


@pytest.fixture
def make_item():
    return toy_item


@pytest.fixture(scope="session")
def coco_folder(tmp_path_factory):
    """Ten images of 64 x 48 with coloured rectangles, one of them without; three classes."""
    folder = tmp_path_factory.mktemp("coco")
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for index in range(10):
        pixels = np.full((48, 64, 3), 40, dtype=np.uint8)
        for _ in range(index % 4):
            left, top, width, height = rng.integers([2, 2, 14, 12], [40, 30, 20, 16]).tolist()
            kind = int(rng.integers(3))
            pixels[top : top + height, left : left + width, kind] = 220
            box = [left, top, width, height]
            number = len(annotations) + 1
            annotation = {"id": number, "image_id": index, "category_id": kind + 5, "bbox": box}
            annotations.append({**annotation, "area": width * height, "iscrowd": 0})
        Image.fromarray(pixels).save(folder / f"{index}.png")
        size = {"width": 64, "height": 48}
        images.append({"id": index, "file_name": f"{index}.png", **size})
    categories = [{"id": i + 5, "name": name} for i, name in enumerate(("red", "green", "blue"))]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "boxes.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def tiny_config(coco_folder, tmp_path):
    """AlignDETR-tiny on those images; further overrides as arguments."""

    def make(*overrides):
        config = LazyConfig.load(resolve_config("aligndetr_tiny"))
        data = f"json_file={coco_folder}/boxes.json", f"image_root={coco_folder}"
        common = [f"dataloader.{split}.dataset.{x}" for split in ("train", "test") for x in data]
        common += [f"dataloader.{split}.num_workers=0" for split in ("train", "test")]
        common += ["dataloader.train.total_batch_size=2", "train.reference_batch_size=2"]
        common += [f"train.output_dir={tmp_path}/run", "train.log_period=1", "train.device=cpu"]
        common += ["train.max_iter=3", "train.eval_period=0", "train.checkpointer.period=0"]
        common += ["model.encoder.layer.dropout=0.1", "model.decoder.layer.ffn.dropout=0.1"]
        common += [
            "train.model_ema.enabled=false",
            "model.decoder.num_layers=1",
            "model.criterion.match_num=[2,1]",
        ]
        return LazyConfig.apply_overrides(config, [*common, *overrides])

    return make
