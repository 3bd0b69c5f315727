"""A trained model applied to pictures, in three lines of Python."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.config.nodes import to_node
from aligndetr.data.augmentation import apply_augmentations
from aligndetr.engine.augmented_detector import ONE_LOOK, Looks, augmented
from aligndetr.engine.cpu_allocator import tune_allocator
from aligndetr.engine.model import load_model
from aligndetr.engine.operating_point import OperatingPoint
from aligndetr.engine.precision import Precision
from aligndetr.engine.predicted_instances import PredictedInstances, detections_of, instances_of
from aligndetr.engine.stored_config import stored_config
from aligndetr.errors import CheckpointError, UserError, some
from aligndetr.interop.download import fetch
from aligndetr.modeling import folding
from aligndetr.runtime.calibrator import Calibrator
from aligndetr.runtime.picture_detector import PictureDetector
from aligndetr.runtime.prediction.choice import Choice
from aligndetr.runtime.prediction.detections import Detections
from aligndetr.runtime.prediction.picture import upright_rgb
from aligndetr.runtime.prediction.pipeline import Pipeline
from aligndetr.runtime.prediction.sources import Sources, is_one_image
from aligndetr.structures import Instances

__all__ = ["PredictedInstances", "Predictor", "upright_rgb"]

PRECISIONS = {"fp32": None, "bf16": "bfloat16", "fp16": "float16"}


class Predictor(PictureDetector):
    """Finds objects in images of any size: `Predictor(None, "model.pth")("image.jpg")`.

    Images are prepared as the config prepares them for evaluation
    (`dataloader.test.mapper`). The class names and their number come from the checkpoint, or, when
    it does not say, from the config's test dataset.

    Args:
        config: a name of a packaged config, a path, or a loaded DictConfig; None takes the one that
            the checkpoint holds.
        checkpoint: a file of a training here, of another toolbox, or a URL; see `load_model`.
        device: for example "cpu" or "cuda:1"; None follows `train.device` of the config.
        weights: "ema" or "model"; None follows `train.best.weights`, and that is by default the
            moving average if there is one.
        trust_config: let a .yaml config, which may be anybody's, call whatever it names.
        calibrated: let `confident` replace scores by the IoU that they let expect, by what
            `aligndetr analyze --calibrator` stored in the checkpoint.
        precision: "fp32", "bf16", or, on a GPU, "fp16".
        looks: test-time augmentation.
        optimise: fold the model for faster detection, see `folding.optimise`, and on the CPU let
            this process keep freed memory, see `tune_allocator`; results differ by rounding.

    Attributes:
        model: the detector, in evaluation mode.
        class_names: names by class index; None when neither checkpoint nor dataset say.
        operating_point: thresholds and calibrator that `aligndetr analyze` stored in the
            checkpoint, or None.

    Raises:
        ConfigError: the config is missing or broken.
        CheckpointError: the weights are missing, broken, or of another architecture; or there is
            no calibrator.
        UserError: the device cannot compute in this precision.
    """

    fetch = staticmethod(fetch)

    def __init__(
        self,
        config: str | os.PathLike | Mapping | None,
        checkpoint: str | os.PathLike,
        device: str | None = None,
        weights: str | None = None,
        trust_config: bool = False,
        calibrated: bool = False,
        precision: str = "fp32",
        looks: Looks = ONE_LOOK,
        optimise: bool = False,
    ) -> None:
        node = _loaded(config, checkpoint, trust_config)
        model: Any = load_model(node, checkpoint, weights=weights, device=device)
        self.num_classes: int = model.num_classes
        self.class_names: Sequence[str] | None = model.class_names
        self.operating_point: OperatingPoint | None = model.operating_point
        if self.operating_point is not None:
            self.thresholds = self.operating_point.thresholds
            self.fitted_on = self.operating_point.data
        self._device = next(model.parameters()).device
        self._precision = _precision(precision, self._device)
        count = len(self.operating_point.thresholds) if self.operating_point else None
        if count not in (None, self.num_classes):
            raise CheckpointError(
                f"{checkpoint} has thresholds of {count} classes, but the model has "
                f"{self.num_classes}; fit them again by `aligndetr analyze`"
            )
        self.calibrator = self._read_calibrator(checkpoint) if calibrated else None
        self._mapper = instantiate(node.dataloader.test.mapper)
        if optimise:
            model = folding.optimise(model)
            if self._device.type == "cpu":
                tune_allocator(frugal=False)
        self.model = augmented(model, looks)

    def __call__(self, image: Any) -> PredictedInstances | list[PredictedInstances]:
        """Detect; all that the model says, however unsure it is, see `confident`.

        Args:
            image: a file or URL, a Pillow image (EXIF rotation is applied), or an array of uint8:
                (H, W, 3) RGB, (H, W) grey, (H, W, 4) RGBA, whose alpha is ignored. Of more than
                one, a list, a folder, a pattern, a video, (B, H, W, 3), comes a list; `stream`
                gives the same one by one.

        Returns:
            `pred_boxes` (xyxy pixels of the given image, upright), `scores`, `pred_classes`, on
            the CPU, best score first.

        Raises:
            DataError: the file is missing or broken.
            PixelsError: the array is no image; also a ValueError.
        """
        everything = Pipeline(self.detect, lambda found: found, 1, self.class_names)
        results = [
            PredictedInstances(
                instances_of(each.found), each.picture, self.class_names, self.thresholds
            )
            for each in everything(Sources(image, fetch=self.fetch))
        ]
        return results[0] if is_one_image(image) else results

    @torch.inference_mode()
    def detect(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """All that the model says of (H, W, 3) uint8 RGB arrays of equal shape, as one batch."""
        with self._precision.autocast():
            outputs = self.model([self._item(image) for image in images])
        return [detections_of(output["instances"]) for output in outputs]

    def confident(self, found: Instances, threshold: float | None = None) -> Instances:
        """Those of the detections that count.

        Args:
            found: what a call returned.
            threshold: lowest score that counts; None takes that of each class from the
                operating point, and 0.5 where there is none.

        Returns:
            With calibrated scores if the predictor has been asked for them.
        """
        choice = Choice(self.thresholds if threshold is None else threshold)
        scores, classes = found.scores.numpy(), found.pred_classes.numpy()
        found = found[torch.from_numpy(choice.mask(scores, classes))]
        if self.calibrator is not None:
            scores = self.calibrator(found.scores.numpy(), found.pred_classes.numpy())
            found.scores = torch.from_numpy(scores).to(found.scores)
        return found.all_shown() if isinstance(found, PredictedInstances) else found

    def _item(self, image: np.ndarray) -> dict[str, Any]:
        pixels = image[:, :, ::-1] if self._mapper.image_format == "BGR" else image
        rng = np.random.default_rng(0)
        resized, _ = apply_augmentations(self._mapper.augmentation, pixels, rng)
        tensor = torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1)))
        return {"image": tensor, "height": image.shape[0], "width": image.shape[1]}

    def _read_calibrator(self, checkpoint: str | os.PathLike) -> Calibrator:
        stored = self.operating_point.calibrator if self.operating_point else None
        if not stored:
            raise CheckpointError(
                f"{checkpoint} holds no calibrator; `aligndetr analyze --calibrator` writes one"
            )
        return Calibrator.from_plain(stored)

    def __repr__(self) -> str:
        size = sum(parameter.numel() for parameter in self.model.parameters()) / 1e6
        classes = some(self.class_names) if self.class_names else "without names"
        of = f"{size:.1f} M parameters, {self.num_classes} classes ({classes})"
        return f"Predictor({of}, on {self._device})"


def _loaded(
    config: str | os.PathLike | Mapping | None, checkpoint: str | os.PathLike, trust_config: bool
) -> DictConfig:
    if config is None:
        return stored_config(checkpoint, trust_config)
    if isinstance(config, Mapping):
        return to_node(config)
    path = resolve_config(os.fspath(config))
    return LazyConfig.load(path, trust_config=trust_config)


def _precision(name: str, device: torch.device) -> Precision:
    if name not in PRECISIONS:
        raise UserError(f"no precision {name!r}; there are {', '.join(PRECISIONS)}")
    if name == "fp16" and device.type != "cuda":
        raise UserError(f"fp16 needs a GPU, and the device is {device.type}; bf16 works there too")
    return Precision(device, PRECISIONS[name])
