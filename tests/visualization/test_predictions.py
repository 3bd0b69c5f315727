"""Ground truth beside predictions."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from aligndetr.runtime.drawing.palette import class_color
from aligndetr.structures import Boxes, Instances
from aligndetr.visualization import save_prediction_pictures
from aligndetr.visualization.predictions import contact_sheet, ground_truth, side_by_side

SIZES = {4: (480, 640), 9: (640, 480), 2: (100, 300)}


class Records(list):
    class_names = ("cat", "dog")


class ToyLoader(list):
    pass


class Detector(nn.Module):
    """Finds class 1 at a fixed place."""

    def forward(self, batch):
        assert not self.training
        box = Boxes([[50.0, 60.0, 90.0, 95.0]])
        fields = {"scores": torch.tensor([0.8]), "pred_classes": torch.tensor([1])}
        return [
            {"instances": Instances(SIZES[i["image_id"]], pred_boxes=box, **fields)} for i in batch
        ]


@pytest.fixture
def loader(tmp_path):
    records = Records()
    for image_id, (height, width) in SIZES.items():
        path = tmp_path / f"{image_id}.png"
        Image.new("RGB", (width, height), (90, 90, 90)).save(path)
        annotations = [
            {"bbox": [20.0, 30.0, 30.0, 40.0], "category_id": 0, "iscrowd": 0},
            {"bbox": [0.0, 0.0, 99.0, 99.0], "category_id": 0, "iscrowd": 1},
        ]
        records.append(
            {
                "file_name": str(path),
                "image_id": image_id,
                "height": height,
                "width": width,
                "annotations": annotations,
            }
        )
    loader = ToyLoader([[{"image_id": 4}, {"image_id": 9}], [{"image_id": 2}]])
    loader.dataset = records
    return loader


def test_ground_truth_is_xyxy_without_crowds(loader):
    truth = ground_truth(loader.dataset[0])
    assert truth.gt_boxes.tensor.tolist() == [[20, 30, 50, 70]]
    assert truth.gt_classes.tolist() == [0]
    assert truth.image_size == (480, 640)


def test_pictures_and_sheet(loader, tmp_path):
    model = Detector().train()
    sheet = save_prediction_pictures(model, loader, tmp_path / "out", count=8)
    assert model.training
    assert sheet == tmp_path / "out" / "predictions.png"
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["image_2.png", "image_4.png", "image_9.png", "predictions.png"]
    pixels = np.asarray(Image.open(tmp_path / "out" / "image_4.png"))
    head = pixels.shape[0] - 480
    assert tuple(pixels[head + 50, 20]) == class_color(0)  # truth, left: edge at x = 20
    assert tuple(pixels[head + 75, 640 + 12 + 50]) == class_color(1)  # prediction, right
    assert tuple(pixels[head + 75, 50]) != class_color(1)


def test_threshold_and_count(loader, tmp_path):
    save_prediction_pictures(Detector(), loader, tmp_path / "out", count=1, threshold=0.9)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "image_4.png",
        "predictions.png",
    ]
    pixels = np.asarray(Image.open(tmp_path / "out" / "image_4.png"))
    assert not (pixels == class_color(1)).all(axis=-1).any()


def test_empty_loader_is_an_error(loader, tmp_path):
    empty = ToyLoader()
    empty.dataset = loader.dataset
    with pytest.raises(ValueError, match="no images"):
        save_prediction_pictures(Detector(), empty, tmp_path)


def test_sheet_holds_every_picture_at_its_place():
    red, blue = Image.new("RGB", (90, 52), (255, 0, 0)), Image.new("RGB", (10, 104), (0, 0, 255))
    sheet = contact_sheet([red, blue, red], columns=2, cell=(90, 52))
    # margins of 24; the second picture is halved to 5 x 52, and its column is 5 wide
    assert sheet.size == (24 + 90 + 24 + 5 + 24, 24 + 52 + 24 + 52 + 24)
    assert sheet.getpixel((30, 30)) == sheet.getpixel((30, 24 + 76 + 5)) == (255, 0, 0)
    assert sheet.getpixel((140, 30)) == (0, 0, 255)
    assert sheet.getpixel((140, 110)) == (255, 255, 255)
    assert contact_sheet([blue], columns=4, cell=(90, 52)).size == (24 + 5 + 24, 24 + 52 + 24)


def test_captions_do_not_need_room():
    row = side_by_side([Image.new("RGB", (5, 5))] * 2, ["a long caption", "b"])
    assert row.width == 5 + 12 + 5
