"""Objects that only look like detectron2's work everywhere, and its evaluator can read ours.

The stand-ins have the public interface of detectron2's `Boxes` and `Instances` and nothing of ours.
"""

import json

import numpy as np
import pytest
import torch

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.evaluation import COCOEvaluator, inference_on_dataset
from aligndetr.visualization import draw_instances


class TheirBoxes:
    def __init__(self, tensor):
        self.tensor = tensor.to(torch.float32)

    def to(self, device):
        return TheirBoxes(self.tensor.to(device=device))

    def __len__(self):
        return self.tensor.shape[0]

    def __getitem__(self, item):
        return TheirBoxes(self.tensor[item])

    @property
    def device(self):
        return self.tensor.device


class TheirInstances:
    def __init__(self, image_size, **fields):
        self._image_size = image_size
        self._fields = dict(fields)

    @property
    def image_size(self):
        return self._image_size

    def has(self, name):
        return name in self._fields

    def get(self, name):
        return self._fields[name]

    def __getattr__(self, name):
        if name == "_fields" or name not in self._fields:
            raise AttributeError(name)
        return self._fields[name]

    def to(self, *args, **kwargs):
        return TheirInstances(
            self._image_size, **{k: v.to(*args, **kwargs) for k, v in self._fields.items()}
        )

    def __len__(self):
        return len(next(iter(self._fields.values())))


def read_as_detectron2_does(image_id, instances):
    """What its COCOEvaluator asks of an output, and the results it makes of it."""
    instances = instances.to(torch.device("cpu"))
    assert not instances.has("pred_masks")
    assert not instances.has("pred_keypoints")
    boxes = instances.pred_boxes.tensor.numpy().copy()
    boxes[:, 2:] -= boxes[:, :2]
    scores, classes = instances.scores.tolist(), instances.pred_classes.tolist()
    return [
        {"image_id": image_id, "category_id": classes[i], "bbox": boxes[i].tolist(), "score": s}
        for i, s in zip(range(len(instances)), scores, strict=True)
    ]


@pytest.fixture(scope="module")
def model():
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    config.model.num_classes = 3
    torch.manual_seed(0)
    return instantiate(config.model)


def test_model_trains_on_their_instances(model):
    boxes = torch.tensor([[10.0, 12.0, 50.0, 60.0], [30.0, 5.0, 90.0, 40.0]])
    instances = TheirInstances(
        (64, 96), gt_boxes=TheirBoxes(boxes), gt_classes=torch.tensor([0, 2])
    )
    item = {"image": torch.randint(0, 256, (3, 64, 96), dtype=torch.uint8), "instances": instances}
    item.update(height=128, width=192, image_id=1, file_name="x.jpg")
    losses = model.train()([item, item])
    assert {"loss_class", "loss_bbox", "loss_giou", "loss_class_enc", "loss_bbox_dn"} <= set(losses)
    sum(losses.values()).backward()
    assert model.backbone.stem.conv1.weight.grad.abs().sum() > 0
    model.zero_grad()


@torch.inference_mode()
def test_their_evaluator_can_read_our_output(model):
    image = torch.randint(0, 256, (3, 64, 96), dtype=torch.uint8)
    item = {"image": image, "height": 128, "width": 192, "image_id": 7}
    instances = model.eval()([item])[0]["instances"]
    results = read_as_detectron2_does(7, instances)
    assert len(results) == len(instances) > 0
    boxes = np.array([r["bbox"] for r in results])
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 0] + boxes[:, 2] <= 192 + 1e-3).all()  # original pixels, not the model's 96
    assert (boxes[:, 1] + boxes[:, 3] <= 128 + 1e-3).all()
    assert boxes[:, :2].max() > 64 or (boxes[:, :2] + boxes[:, 2:]).max() > 96
    scores = [r["score"] for r in results]
    assert scores == sorted(scores, reverse=True)
    json.dumps(results)


def test_our_evaluator_and_drawing_take_their_instances(random_coco):
    ours = random_coco.outputs

    def theirs(batch):
        outputs = []
        for item in batch:
            found = ours[item["image_id"]]
            boxes = TheirBoxes(found.pred_boxes.tensor)
            fields = {"scores": found.scores, "pred_classes": found.pred_classes}
            outputs.append({"instances": TheirInstances((300, 300), pred_boxes=boxes, **fields)})
        return outputs

    def same(batch):
        return [{"instances": ours[item["image_id"]]} for item in batch]

    loader = [[{"image_id": image_id}] for image_id in ours]
    expected = inference_on_dataset(same, loader, COCOEvaluator(random_coco.dataset))
    results = inference_on_dataset(theirs, loader, COCOEvaluator(random_coco.dataset))
    np.testing.assert_equal(results, expected)
    image = np.full((300, 300, 3), 80, np.uint8)
    drawn = draw_instances(image, theirs([{"image_id": 100}])[0]["instances"], threshold=0.3)
    assert drawn == draw_instances(image, ours[100], threshold=0.3)
    assert (np.asarray(drawn) != 80).any()
