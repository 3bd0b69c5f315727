"""Test-time augmentation: a detector that looks at every image several times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from torch.nn import functional as F

from aligndetr.engine.predicted_instances import detections_of, instances_of
from aligndetr.errors import ConfigError
from aligndetr.runtime.prediction.detections import Detections
from aligndetr.runtime.prediction.merging import View, merge
from aligndetr.structures import Instances

KEY = "train.test_time_augmentation"
SCALES = (0.1, 10.0)


@dataclass(frozen=True)
class Looks:
    """How often an image is looked at: at each scale, and if told, mirrored too.

    Attributes:
        flip: mirror it, left to right.
        scales: what the sides are multiplied by, after the resizing that the config asks for.

    Raises:
        ConfigError: a scale is out of bounds, or there is none.
    """

    flip: bool = False
    scales: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if not self.scales or not all(SCALES[0] <= s <= SCALES[1] for s in self.scales):
            given = ", ".join(f"{scale:g}" for scale in self.scales) or "none"
            raise ConfigError(
                f"test-time augmentation with scales {given}: give some from {SCALES[0]:g} to "
                f"{SCALES[1]:g}, such as 0.8, 1 and 1.25"
            )

    def __iter__(self):
        """Pairs of a scale, and whether to mirror."""
        return ((scale, flip) for scale in self.scales for flip in (False, True)[: 1 + self.flip])

    @property
    def only_one(self) -> bool:
        """Whether nothing is augmented."""
        return list(self) == [(1.0, False)]


ONE_LOOK = Looks()


class AugmentedDetector(nn.Module):
    """Runs a detector on scaled and mirrored images, and merges what it says.

    Of each look an object takes one box at most. Sides are means weighted by score; its score is
    the mean over all looks, with 0 for those that did not find it.

    Args:
        detector: see `Detector.forward`; only evaluated.
        looks: how images are changed.
    """

    def __init__(self, detector: nn.Module, looks: Looks) -> None:
        super().__init__()
        self.detector = detector
        self.looks = looks

    def forward(self, batched_inputs: list[dict]) -> list[dict[str, Instances]]:
        """As the detector in evaluation; not more detections of an image than one look gives."""
        sizes = [
            (int(item.get("height", h)), int(item.get("width", w)))
            for item in batched_inputs
            for h, w in [item["image"].shape[-2:]]
        ]
        looks = [
            self._look(batched_inputs, sizes, scale, mirrored) for scale, mirrored in self.looks
        ]
        merged = (
            _merged(found, size)
            for found, size in zip(zip(*looks, strict=True), sizes, strict=True)
        )
        return [{"instances": instances} for instances in merged]

    def _look(
        self, items: list[dict], sizes: list[tuple[int, int]], scale: float, mirrored: bool
    ) -> list[Detections]:
        changed = [{**item, "image": _changed(item["image"], scale, mirrored)} for item in items]
        for item, (height, width) in zip(changed, sizes, strict=True):
            item.update(height=height, width=width)
        outputs = self.detector(changed)
        found = [detections_of(output["instances"]) for output in outputs]
        return [mirrored_back(each) for each in found] if mirrored else found


def read_looks(config: DictConfig) -> Looks:
    """What the config says of test-time augmentation; one look where it says nothing.

    Raises:
        ConfigError: there is something else.
    """
    node = OmegaConf.select(config, KEY)
    values = OmegaConf.to_container(node) if OmegaConf.is_config(node) else node or {}
    if not isinstance(values, Mapping) or values.keys() - {"flip", "scales"}:
        raise ConfigError(f"{KEY} is {values}; give {{flip: true, scales: [1.0]}}, or a part of it")
    scales = values.get("scales", (1.0,))
    if not isinstance(scales, Sequence) or not all(isinstance(s, int | float) for s in scales):
        raise ConfigError(f"{KEY}.scales is {scales}; give a list of numbers: [0.8, 1]")
    return Looks(bool(values.get("flip", False)), tuple(map(float, scales)))


def augmented(detector: nn.Module, looks: Looks) -> nn.Module:
    """The detector, or one that takes all these looks."""
    return detector if looks.only_one else AugmentedDetector(detector, looks)


def mirrored_back(found: Detections) -> Detections:
    """What was found in a mirrored image, in pixels of the image."""
    boxes = found.boxes[:, [2, 1, 0, 3]] * np.array([-1, 1, -1, 1], np.float32)
    boxes += np.array([1, 0, 1, 0], np.float32) * found.size[1]
    return replace(found, boxes=boxes)


def _merged(found: Sequence[Detections], size: tuple[int, int]) -> Instances:
    whole = View((0, 0, size[1], size[0]))
    merged = merge(found, [whole] * len(found), size, lambda scores: scores.sum() / len(found))
    return instances_of(merged[: max(map(len, found))])


def _changed(image: Tensor, scale: float, mirrored: bool) -> Tensor:
    """(3, h, w) scaled and mirrored; the pixels of scale 1 are left as they are."""
    if scale != 1:
        size = [max(round(side * scale), 1) for side in image.shape[-2:]]
        image = F.interpolate(image[None].float(), size, mode="bilinear", antialias=True)[0]
    return image.flip(-1) if mirrored else image
