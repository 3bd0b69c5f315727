"""A trained model applied to pictures, in three lines of Python."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image, ImageOps

from aligndetr.analysis.calibrator import Calibrator
from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.data.augmentation import apply_augmentations
from aligndetr.data.images import read_image, to_array
from aligndetr.engine.model import load_model
from aligndetr.engine.stored_config import stored_config
from aligndetr.errors import CheckpointError
from aligndetr.structures import Instances

DEFAULT_THRESHOLD = 0.5


class Predictor:
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

    Attributes:
        model: the detector, in evaluation mode.
        class_names: names by class index; None when neither checkpoint nor dataset say.
        operating_point: thresholds and calibrator that `aligndetr analyze` stored in the
            checkpoint, or None.

    Raises:
        ConfigError: the config is missing or broken.
        CheckpointError: the weights are missing, broken, or of another architecture; or there is
            no calibrator.
    """

    def __init__(
        self,
        config: str | os.PathLike | Mapping | None,
        checkpoint: str | os.PathLike,
        device: str | None = None,
        weights: str | None = None,
        trust_config: bool = False,
        calibrated: bool = False,
    ) -> None:
        if config is None:
            config = stored_config(checkpoint, trust_config)
        elif not isinstance(config, Mapping):
            path = resolve_config(os.fspath(config))
            config = LazyConfig.load(path, trust_config=trust_config)
        self.model = load_model(config, checkpoint, weights=weights, device=device)
        self.class_names = self.model.class_names
        self.operating_point = self.model.operating_point
        count = len(self.operating_point.thresholds) if self.operating_point else None
        if count not in (None, self.model.num_classes):
            raise CheckpointError(
                f"{checkpoint} has thresholds of {count} classes, but the model has "
                f"{self.model.num_classes}; fit them again by `aligndetr analyze`"
            )
        self._calibrator = self._read_calibrator(checkpoint) if calibrated else None
        self._mapper = instantiate(config.dataloader.test.mapper)

    @torch.inference_mode()
    def __call__(self, image: str | os.PathLike | Image.Image | np.ndarray) -> Instances:
        """Detect.

        Args:
            image: a file, a Pillow image (EXIF rotation is applied), or (H, W, 3) uint8 RGB.

        Returns:
            `pred_boxes` (xyxy pixels of the given image, upright), `scores`, `pred_classes`, on
            the CPU, best score first.

        Raises:
            DataError: the file is missing or broken.
            ValueError: the array is not (H, W, 3) uint8.
        """
        original = upright_rgb(image)
        pixels = original[:, :, ::-1] if self._mapper.image_format == "BGR" else original
        rng = np.random.default_rng(0)
        resized, _ = apply_augmentations(self._mapper.augmentation, pixels, rng)
        tensor = torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1)))
        item = {"image": tensor, "height": original.shape[0], "width": original.shape[1]}
        return self.model([item])[0]["instances"].to("cpu")

    def confident(self, found: Instances, threshold: float | None = None) -> Instances:
        """Those of the detections that count.

        Args:
            found: what a call returned.
            threshold: lowest score that counts; None takes that of each class from the
                operating point, and 0.5 where there is none.

        Returns:
            With calibrated scores if the predictor has been asked for them.
        """
        lowest = DEFAULT_THRESHOLD if threshold is None else threshold
        if threshold is None and self.operating_point is not None:
            lowest = torch.tensor(self.operating_point.thresholds)[found.pred_classes]
        found = found[found.scores >= lowest]
        if self._calibrator is not None:
            scores = self._calibrator(found.scores.numpy(), found.pred_classes.numpy())
            found.scores = torch.from_numpy(scores).to(found.scores)
        return found

    def _read_calibrator(self, checkpoint: str | os.PathLike) -> Calibrator:
        stored = self.operating_point and self.operating_point.calibrator
        if not stored:
            raise CheckpointError(
                f"{checkpoint} holds no calibrator; `aligndetr analyze --calibrator` writes one"
            )
        return Calibrator.from_plain(stored)


def upright_rgb(image: str | os.PathLike | Image.Image | np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a file, a Pillow image or an array, turned as EXIF says.

    Raises:
        DataError: the file is missing or broken.
        ValueError: the array is not (H, W, 3) uint8.
    """
    if isinstance(image, Image.Image):
        return to_array(ImageOps.exif_transpose(image))
    if isinstance(image, str | os.PathLike):
        return read_image(image)
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(
            f"an image array must be (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}"
        )
    return image
