"""Test-time augmentation: looks, and what becomes of what they say."""

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from aligndetr.engine import evaluating
from aligndetr.engine.augmented_detector import (
    ONE_LOOK,
    AugmentedDetector,
    Looks,
    augmented,
    read_looks,
)
from aligndetr.errors import ConfigError
from aligndetr.evaluation.inference import evaluation_mode
from aligndetr.structures import Boxes, Instances


class Bright(nn.Module):
    """Finds the rectangle of bright pixels; its score is the sharpness of the left edge."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, batch):
        assert not self.training
        found = []
        for item in batch:
            image = item["image"].float()
            self.seen.append(tuple(image.shape[-2:]))
            ys, xs = (image[0] > 127).nonzero().unbind(1)
            box = torch.stack([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]).float()
            scale = item["width"] / image.shape[-1]
            row = image[0, ys.min()]
            score = (row[xs.min()] - row[xs.min() - 1]) / 255
            fields = {"scores": score[None], "pred_classes": torch.tensor([2])}
            size = (item["height"], item["width"])
            instances = Instances(size, pred_boxes=Boxes(box[None] * scale), **fields)
            found.append({"instances": instances})
        return found


def picture(x0=20, x1=52):
    image = torch.zeros(3, 64, 100, dtype=torch.uint8)
    image[:, 16:48, x0:x1] = 255
    image[:, 16:48, x1] = 51  # the right edge is softer: mirrored, it is the left one
    return {"image": image, "height": 128, "width": 200, "image_id": 7}


def test_mirrored_boxes_come_back_and_scores_are_means():
    """The left edge has 255 - 0, the right one 255 - 51: 1 and 0.8."""
    model = AugmentedDetector(Bright(), Looks(flip=True)).eval()
    [found] = model([picture()])
    found = found["instances"]
    assert found.image_size == (128, 200)
    torch.testing.assert_close(found.pred_boxes.tensor, torch.tensor([[40.0, 32.0, 104.0, 96.0]]))
    torch.testing.assert_close(found.scores, torch.tensor([0.9]))
    assert found.pred_classes.tolist() == [2]


def test_sizes_that_are_looked_at():
    detector = Bright()
    model = AugmentedDetector(detector, Looks(flip=True, scales=(0.5, 1.0, 1.5))).eval()
    items = [picture(), picture(30, 70)]
    before = [item["image"].clone() for item in items]
    found = model(items)
    once = [(32, 50), (64, 100), (96, 150)]
    assert detector.seen == [size for size in once for _ in range(4)]  # two images, twice
    for each, box in zip(found, ([40, 32, 104, 96], [60, 32, 140, 96]), strict=True):
        boxes = each["instances"].pred_boxes.tensor
        torch.testing.assert_close(boxes, torch.tensor([box]).float(), rtol=0, atol=1.5)
    for item, pixels in zip(items, before, strict=True):
        assert torch.equal(item["image"], pixels)
        assert set(item) == {"image", "height", "width", "image_id"}


def test_one_look_is_the_detector_itself():
    detector = Bright()
    assert augmented(detector, ONE_LOOK) is detector
    assert isinstance(augmented(detector, Looks(scales=(1.2,))), AugmentedDetector)


def test_modes_of_the_detector_are_restored():
    detector = Bright().train()
    with evaluation_mode(AugmentedDetector(detector, Looks(flip=True))):
        assert not detector.training
    assert detector.training


@pytest.mark.parametrize(
    "values, looks",
    [
        ({}, ONE_LOOK),
        ({"train": {"test_time_augmentation": None}}, ONE_LOOK),
        ({"train": {"test_time_augmentation": {"flip": True}}}, Looks(True)),
        ({"train": {"test_time_augmentation": {"scales": [0.5, 1]}}}, Looks(False, (0.5, 1.0))),
    ],
)
def test_configs(values, looks):
    assert read_looks(OmegaConf.create(values)) == looks


@pytest.mark.parametrize("wrong", [True, {"scale": [1]}, {"scales": 2}, {"scales": ["big"]}])
def test_wrong_configs(wrong):
    with pytest.raises(ConfigError, match=r"train\.test_time_augmentation"):
        read_looks(OmegaConf.create({"train": {"test_time_augmentation": wrong}}))


@pytest.mark.parametrize("scales", [(), (0.01,), (1.0, -1.0), (float("nan"),)])
def test_wrong_scales(scales):
    with pytest.raises(ConfigError, match="test-time augmentation with scales"):
        Looks(scales=scales)


def test_evaluations_look_as_the_config_says(monkeypatch):
    class Collector:
        def reset(self):
            self.scores = []

        def process(self, inputs, outputs):
            self.scores += [float(output["instances"].scores[0]) for output in outputs]

        def evaluate(self):
            return {"bbox": {"scores": self.scores}}

    monkeypatch.setattr(evaluating, "load_dataset", lambda config, split: None)
    monkeypatch.setattr(evaluating, "build_test_loader", lambda config, dataset: [[picture()]])
    monkeypatch.setattr(evaluating, "build_evaluator", lambda config, dataset: Collector())
    values = {"dataloader": {"test": {"dataset": {}}, "evaluator": {}}}
    for looks, expected in (({}, 1.0), ({"flip": True}, 0.9)):
        config = OmegaConf.create(values | {"train": {"test_time_augmentation": looks}})
        evaluation = evaluating.build_evaluation(config, {"model": Bright()})
        assert evaluation.of("model")["bbox"]["scores"] == pytest.approx([expected])


def test_boxes_refer_to_the_image_where_no_size_is_given():
    """Not to the enlarged one."""
    item = {"image": picture()["image"]}
    [found] = AugmentedDetector(Bright(), Looks(scales=(2.0,))).eval()([item])
    assert found["instances"].image_size == (64, 100)
    boxes = found["instances"].pred_boxes.tensor
    torch.testing.assert_close(boxes, torch.tensor([[20.0, 16, 52, 48]]), rtol=0, atol=0.51)
