"""A model of two layers and ten small images, for tests of everything around them."""

import json

import numpy as np
import torch
from PIL import Image
from torch import nn

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
        self.num_classes = 3
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


def write_coco(folder):
    """Ten images of 64 x 48 with coloured rectangles, one of them without; three classes."""
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
